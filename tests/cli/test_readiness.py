"""A store that answers and takes nothing: `tagsweep doctor` and /readyz say so, and why."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import psycopg
import pytest
from sqlalchemy import func, select

from tagsweep.worker.database import schema
from tagsweep.worker.doctor import checks, readiness
from tagsweep.worker.errors import StoreUnavailable
from tagsweep.worker.models.tables import job
from tests.conftest import running
from tests.servers import PgBouncer, Postgres
from tests.servers.standby import Standby
from tests.support.fixtures import configured
from tests.support.gateway import Gateway, serving
from tests.support.locks import held_table
from tests.support.stack import ServerStack, eventually
from tests.support.stores import Store, new_ids

pytestmark = [pytest.mark.integration, pytest.mark.default_configuration]

DETACH = "/api/v1/tags/detach/"


def _execute(url: str, *statements: str) -> None:
    """Run statements as the superuser, whatever the database is set to."""
    options = "-c default_transaction_read_only=off"
    with psycopg.connect(url, autocommit=True, options=options) as connection:
        for one in statements:
            connection.execute(one)


@contextmanager
def read_only(url: str) -> Iterator[None]:
    """Let the database of ``url`` refuse to be written to, from new sessions."""
    name = url.rpartition("/")[2]
    end = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    setting = f"ALTER DATABASE {name} SET default_transaction_read_only"
    _execute(url, f"{setting} = on", end)
    try:
        yield
    finally:
        _execute(url, f"{setting} = off", end)


def _problem() -> str | None:
    """Return the problem; a session that was ended meanwhile is none."""
    try:
        return readiness.problem()
    except StoreUnavailable:
        return "a session was ended"


def _told() -> list[str]:
    return [one.what for one in checks.findings() if one.about == "database"]


def _wrong() -> list[str]:
    found = [one for one in checks.findings() if one.about == "database" and one.is_wrong]
    assert all(one.advice for one in found)
    return [one.what for one in found]


def test_a_store_that_is_looked_at_keeps_nothing_of_it(store: Store) -> None:
    assert readiness.problem() is None
    with store.transaction() as connection:
        assert connection.execute(select(func.count()).select_from(job)).scalar_one() == 0


def test_a_store_that_takes_jobs_is_ready_and_no_try_stays(store: Store) -> None:
    assert readiness.problem() is None
    assert readiness.missing() == []
    assert _wrong() == []
    assert store.outbox() == []


def test_a_read_only_store_is_told(postgres_store: Store) -> None:
    with read_only(postgres_store.url):
        eventually(lambda: _problem() == readiness.READ_ONLY)
        (told,) = _wrong()
        assert "cannot be written to: it is set to read-only" in told
    eventually(lambda: _problem() is None)


def test_a_standby_is_told(own_postgres: Postgres) -> None:
    url = own_postgres.create_database()
    with configured(database_url=url):
        schema.upgrade()
    with Standby(own_postgres) as standby, configured(database_url=standby.moved(url)):
        eventually(lambda: readiness.problem() == readiness.STANDBY)


def test_a_store_that_refuses_what_is_written_is_told_in_its_own_words(
    postgres_store: Store,
) -> None:
    _execute(
        postgres_store.url,
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE 'could not extend file' USING ERRCODE = '53100'; END $$",
        "CREATE TRIGGER refuse BEFORE INSERT ON job EXECUTE FUNCTION refuse()",
    )
    assert readiness.problem() == "could not extend file"
    (told,) = _wrong()
    assert "could not extend file" in told


@pytest.mark.slow
def test_a_store_whose_tables_are_locked_is_told_soon(postgres_store: Store) -> None:
    with held_table(postgres_store, "job"):
        assert readiness.problem() == readiness.LOCKED


def test_a_sqlite_file_that_somebody_writes_to_is_ready_at_once(sqlite_store: Store) -> None:
    with sqlite_store.transaction():
        assert readiness.problem() is None


def test_each_right_that_the_role_lacks_is_named(postgres_store: Store) -> None:
    name = postgres_store.url.rpartition("/")[2]
    role = f"role_{name}"
    _execute(
        postgres_store.url,
        f"CREATE ROLE {role} LOGIN",
        f"GRANT USAGE ON SCHEMA tagsweep TO {role}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA tagsweep TO {role}",
        f"REVOKE DELETE, UPDATE ON tag_link FROM {role}",
        f"REVOKE INSERT ON removal FROM {role}",
    )
    try:
        url = postgres_store.url.replace("postgres@", f"{role}@")
        with configured(database_url=url):
            assert readiness.missing() == [
                "INSERT on tagsweep.removal",
                "UPDATE on tagsweep.tag_link",
                "DELETE on tagsweep.tag_link",
            ]
            (told,) = _wrong()
            assert "Its role lacks INSERT on tagsweep.removal, UPDATE on tagsweep.tag_link" in told
    finally:
        _execute(postgres_store.url, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def test_a_table_that_is_not_there_is_named(postgres_store: Store) -> None:
    _execute(postgres_store.url, "ALTER TABLE workspace_tag RENAME TO elsewhere")
    assert readiness.missing() == ["the table tagsweep.workspace_tag"]


@pytest.mark.parametrize("told", [None, "transaction", "none"])
def test_the_doctor_says_which_pooler_it_sees(
    postgres_server: Postgres, postgres_store: Store, told: str | None
) -> None:
    words = {
        None: checks.POOLED,
        "transaction": checks.SET,
        "none": checks.UNUSED,
    }
    setting: dict[str, Any] = {"pooler": told} if told else {}
    with running(PgBouncer(postgres_server.url)) as pooler:
        url = pooler.before(postgres_store.url)
        with configured(database_url=url, **setting):
            assert words[told] in _told()
    with configured(database_url=postgres_store.url):
        assert len(_told()) == 1


def _is(gateway: Gateway, status: int) -> bool:
    return httpx.get(f"{gateway.url}/readyz").status_code == status


@pytest.mark.slow
def test_a_gateway_whose_store_is_read_only_is_not_ready_and_refuses_for_now(
    idle_stack: ServerStack, tenant: str
) -> None:
    idle_stack.store.tag(tenant, "t")
    url = str(idle_stack.settings["database_url"])
    with serving(idle_stack) as gateway, gateway.client(tenant) as client:
        eventually(lambda: _is(gateway, 200))
        with read_only(url):
            eventually(lambda: _is(gateway, 503))
            told = httpx.get(f"{gateway.url}/readyz").json()["detail"]
            assert "The store cannot be written to: it is set to read-only" in told
            body = {"names": ["t"], "tables": new_ids(1)}
            answer = client.post(DETACH, json=body)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
            assert "The store currently refuses" in answer.text
        eventually(lambda: _is(gateway, 200))


@pytest.mark.slow
def test_a_worker_that_starts_on_a_read_only_store_works_once_it_can(
    idle_stack: ServerStack, tenant: str
) -> None:
    ids = new_ids(3)
    idle_stack.store.tag(tenant, "t", tables=ids)
    url = str(idle_stack.settings["database_url"])
    with read_only(url):
        idle_stack.start_worker()
        idle_stack.wait()
        pending = idle_stack.send("tags.detach", {"tenant": tenant, "names": ["t"], "tables": ids})
    assert pending.get(timeout=60)["counts"]["removed"] == 3
