"""A PostgreSQL that answers and refuses, each way for some seconds: nothing is lost by it."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest

from tagsweep.worker.models.ids import pack
from tagsweep.worker.models.records import ENDS
from tests.servers import Postgres, Redis
from tests.support.stack import ServerStack, eventually
from tests.support.stores import new_ids, new_tenant

pytestmark = pytest.mark.integration

REFUSED_S = 2.5
TABLES = "ALL TABLES IN SCHEMA tagsweep"


@dataclass(frozen=True)
class Refusal:
    """Statements that make a store refuse, and those that end it."""

    name: str
    on: tuple[str, ...]
    off: tuple[str, ...]
    blames_items: bool = False  #: what it refuses may be the items' own fault, or a report's


def _trigger(when: str, table: str, code: str, *, blames_items: bool = False) -> Refusal:
    body = f"BEGIN RAISE EXCEPTION 'not now' USING ERRCODE = '{code}'; END"
    function = f"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $${body}$$"
    trigger = f"CREATE TRIGGER refuse BEFORE {when} ON {table} FOR EACH ROW"
    return Refusal(
        f"{when} {table} {code}".lower().replace(" ", "-"),
        (function, f"{trigger} EXECUTE FUNCTION refuse()"),
        (f"DROP TRIGGER refuse ON {table}", "DROP FUNCTION refuse()"),
        blames_items=blames_items,
    )


def _renamed(name: str, *, column: str | None = None) -> Refusal:
    what = f"ALTER TABLE {name} RENAME " + (f"COLUMN {column} " if column else "")
    there, back = (
        (f"{what}TO away", f"{what.replace(column, 'away')}TO {column}")
        if column
        else (f"{what}TO away", f"ALTER TABLE away RENAME TO {name}")
    )
    return Refusal(f"renamed-{name}" + (f"-{column}" if column else ""), (there,), (back,))


REFUSALS = [
    Refusal(
        "read-only",
        (
            "ALTER DATABASE {db} SET default_transaction_read_only = on",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'",
        ),
        ("ALTER DATABASE {db} RESET default_transaction_read_only",),
    ),
    Refusal(
        "no-rights",
        (f"REVOKE ALL ON {TABLES} FROM {{role}}",),
        (f"GRANT ALL ON {TABLES} TO {{role}}",),
    ),
    Refusal(
        "no-right-to-change-links",
        ("REVOKE DELETE, INSERT ON tag_link, workspace_tag FROM {role}",),
        ("GRANT DELETE, INSERT ON tag_link, workspace_tag TO {role}",),
    ),
    Refusal(
        "no-right-to-change-jobs",
        ("REVOKE UPDATE ON job FROM {role}",),
        ("GRANT UPDATE ON job TO {role}",),
    ),
    _renamed("job"),
    _renamed("chunk"),
    _renamed("tag_link", column="resource_id"),
    _renamed("outbox", column="event"),
    _trigger("INSERT", "job", "53100"),
    _trigger("INSERT", "job", "P0001"),
    _trigger("UPDATE", "job", "XX000"),
    _trigger("INSERT", "chunk", "23514"),
    _trigger("INSERT", "outbox", "22023"),
    _trigger("UPDATE", "outbox", "0A000"),
    _trigger("INSERT", "part", "54000"),
    _trigger("DELETE", "tag_link", "57014"),
    _trigger("DELETE", "tag_link", "40001"),
    _trigger("DELETE", "tag_link", "53200"),
    _trigger("DELETE", "tag_link", "P0001", blames_items=True),
    _trigger("UPDATE", "tag", "42501", blames_items=True),
]


class Place:
    """A store that may refuse a role without rights of its own, a broker and workers."""

    def __init__(self, postgres: Postgres, template: str, redis: Redis, folder: Path) -> None:
        self.url = postgres.create_database(template)
        self.names = {"db": urlsplit(self.url).path[1:], "role": f"plain_{uuid4().hex[:8]}"}
        self.do(
            "CREATE ROLE {role} LOGIN",
            "GRANT USAGE ON SCHEMA tagsweep TO {role}",
            f"GRANT ALL ON {TABLES} TO {{role}}",
        )
        url = self.url.replace("postgres@", f"{self.names['role']}@")
        self.stack = ServerStack("redis", folder, url, redis.create_database())
        self.stack.store.close()
        self.stack.store = type(self.stack.store)(self.url)  # a look at it is refused to nobody
        self.stack.settings["visibility_s"] = 5

    def do(self, *statements: str) -> None:
        """Execute statements as the owner of everything."""
        options = "-c lock_timeout=10s -c default_transaction_read_only=off"
        with psycopg.connect(self.url, autocommit=True, options=options) as connection:
            for one in statements:
                connection.execute(one.format(**self.names).encode())

    @contextmanager
    def refusing(self, refusal: Refusal) -> Iterator[None]:
        """Let the store refuse during the block."""
        self.do(*refusal.on)
        try:
            yield
        finally:
            self.do(*refusal.off)


@pytest.fixture(scope="module")
def place(
    postgres_server: Postgres,
    postgres_template: str,
    redis_server: Redis,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Place]:
    found = Place(
        postgres_server, postgres_template, redis_server, tmp_path_factory.mktemp("refusing")
    )
    try:
        found.stack.start_worker(2)
        found.stack.wait()
        yield found
    finally:
        found.stack.close()
        postgres_server.drop_database(found.url)


class Messages:
    """Messages of each kind, to be sent while the store refuses."""

    def __init__(self, stack: ServerStack) -> None:
        self.stack, self.tenant = stack, new_tenant()
        self.ids = new_ids(12)
        stack.store.tag(self.tenant, "legacy", tables=self.ids)
        stack.store.workspace(self.tenant, "w-1", {"env": "dev"})
        self.undone = stack.run("tags.attach", self._links("old", new_ids(3)))["job_id"]
        self.jobs: list[str] = []
        self.asked: list[str] = []

    def _links(self, name: str, ids: list[str], **other: Any) -> dict[str, Any]:
        return {"tenant": self.tenant, "names": [name], "tables": ids, **other}

    def send(self) -> None:
        """Send one of each kind."""
        for at in range(3):
            self._job("tags.detach", self._links("legacy", [self.ids[at]]))
        self._job("tags.detach", self._links("legacy", new_ids(2), dry_run=True))
        self._job("tags.detach", {"tenant": self.tenant, "names": ["legacy"], "volumes": "*"})
        self._job("tags.attach", self._links("new", new_ids(2)))
        tags = [{"key": "env"}]
        self._job("tags.delete", {"tenant": self.tenant, "workspaces": ["w-1"], "tags": tags})
        self._job("tags.undo", {"tenant": self.tenant, "job": self.undone})
        self._job("tags.detach", {"tenant": self.tenant, "names": "none"})
        stream = str(uuid4())
        for number in range(2):
            self._part(stream, number)
        self.jobs.append(stream)
        self.asked.append(self.stack.send("tags.cancel", self.jobs[0]).id)
        self.asked.append(self.stack.send("tags.start", self.jobs[1]).id)
        self.asked.append(self.stack.send("tags.frobnicate", 1).id)

    def _job(self, task: str, body: dict[str, Any]) -> None:
        self.jobs.append(self.stack.send(task, body).id)

    def _part(self, job_id: str, number: int) -> None:
        ids = {"tables": base64.b64encode(pack([self.ids[4 + number]])).decode()}
        head = {"tenant": self.tenant, "names": ["legacy"]}
        part = {"job_id": job_id, "nonce": "run", "number": number, "parts": 2, "kind": "detach"}
        self.stack.send("tags.part", {**part, "head": head, "ids": ids})

    def _ended(self, job_id: str) -> Any:
        job = self.stack.store.job(job_id)
        return job if job is not None and job.status in ENDS else None

    def assert_all_ended(self, *, blames_items: bool) -> None:
        """Assert that each came to one end, and that what was no job is set aside."""
        store = self.stack.store
        for job_id in self.jobs:
            job = eventually(partial(self._ended, job_id), 30)
            assert job.ends == 1
            assert job.removed + job.absent + job.failed == job.total or job.status == "cancelled"
            allowed = {"succeeded", "rejected", "cancelled"} | (
                {"partial"} if blames_items else set()
            )
            assert job.status in allowed, job.errors
            assert job.waiting is None
            told = eventually(partial(self.stack.events, job_id), 30)
            assert {one["id"] for one in told} == {f"{job_id}.1"}
        eventually(lambda: store.set_aside(self.asked[-1]), 30)
        assert len(store.set_aside(self.asked[-1])) == 1


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.name)
def test_no_message_is_lost_while_the_store_refuses(place: Place, refusal: Refusal) -> None:
    messages = Messages(place.stack)
    with place.refusing(refusal):
        messages.send()
        time.sleep(REFUSED_S)  # the fault itself
    messages.assert_all_ended(blames_items=refusal.blames_items)
    assert not place.stack.workers[0].ended
