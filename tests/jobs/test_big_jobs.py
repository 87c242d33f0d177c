"""Jobs of 200,000 ids, however they come in, on two worker processes."""

from __future__ import annotations

import base64
import json
import random
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from tagsweep.worker.models.events import stamp
from tagsweep.worker.models.ids import pack
from tests.support.stack import ROOT, ServerStack, producing
from tests.support.stores import (
    Link,
    adds_up,
    counts,
    new_ids,
    new_tenant,
)

pytestmark = [pytest.mark.integration, pytest.mark.slow]

SIZES = {"tables": 100_000, "folders": 60_000, "sources": 40_000}
FOREIGN = ROOT / "tests" / "support" / "foreign.py"
NAMES = ["d", "unknown", "b", "a", "c"]
COUNTS = counts(total=800_000, removed=115_000, absent=685_000)


@dataclass
class Big:
    """A tenant with links, and the lists of a job that leaves some of them."""

    stack: ServerStack
    tenant: str
    lists: dict[str, list[str]]
    kept: set[Link]
    other: str
    before: dict[str, Any]

    @property
    def body(self) -> dict[str, Any]:
        """The job, as one message carries it."""
        return {"tenant": self.tenant, "names": NAMES, **self.lists}

    def check(self, done: dict[str, Any]) -> None:
        """Assert that the job did what it had to, once, and told so once."""
        store = self.stack.store
        assert done["status"] == "succeeded"
        assert done["counts"] == COUNTS
        assert adds_up(done)
        assert [tag["name"] for tag in done["tags"]] == ["d", "b", "a", "c"]
        after = store.tags(self.tenant)
        for tag in done["tags"]:
            row = after[tag["name"]]
            assert (tag["id"], tag["updated_at"]) == (str(row.id), stamp(row.updated_at))
        moved = {name for name in after if after[name] != self.before[name]}
        assert moved == {"a", "b", "d"}
        assert store.links(self.tenant) == self.kept
        assert len(store.links(self.other)) == 1_000
        (event,) = self.stack.events(done["job_id"])
        assert event["data"] == done
        assert len(store.chunks(done["job_id"])) > 2
        assert store.parts(done["job_id"]) == []


@pytest.fixture
def big(server_stack: ServerStack) -> Big:
    """A filled store: 115,000 of the 800,000 items are there, and some links that must stay."""
    seed = random.Random(7)  # noqa: S311  # no secret
    ids = new_ids(sum(SIZES.values()) + 100, seed=7)
    rest = ids[-100:]
    lists, at = {}, 0
    for name, size in SIZES.items():
        lists[name] = ids[at : at + size]
        at += size
    tenant, other = new_tenant(), new_tenant()
    store = server_stack.store
    store.tag(tenant, "a", tables=[*seed.sample(lists["tables"], 50_000), *rest])
    store.tag(tenant, "b", folders=lists["folders"], tables=rest)
    store.tag(tenant, "c", volumes=lists["tables"][:50])
    store.tag(tenant, "d", sources=lists["sources"][:5_000])
    store.tag(tenant, "e", tables=lists["tables"][:50])
    store.tag(other, "a", tables=lists["tables"][:1_000])
    kept = {(name, "tables", one) for name in ("a", "b") for one in rest}
    kept |= {("c", "volumes", one) for one in lists["tables"][:50]}
    kept |= {("e", "tables", one) for one in lists["tables"][:50]}
    return Big(server_stack, tenant, lists, kept, other, store.tags(tenant))


def test_one_message_of_a_service_that_has_nothing_of_ours(big: Big, tmp_path: Path) -> None:
    order = {
        "packages": sysconfig.get_path("purelib"),
        "broker": big.stack.broker_url,
        "backend": big.stack.backend_url,
        "task": "tags.detach",
        "body": big.body,
        "timeout": 60,
    }
    done = subprocess.run(
        [sys.executable, "-I", "-S", FOREIGN],
        cwd=tmp_path,
        input=json.dumps(order),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    big.check(json.loads(done.stdout))


def test_generators_through_our_producer(big: Big) -> None:
    lists: Any = {name: (UUID(one) for one in ids) for name, ids in big.lists.items()}
    with producing(big.stack) as sender:
        job = sender.detach(tenant=big.tenant, names=iter(NAMES), **lists)
        big.check(job.result(timeout=60))


def test_parts_in_any_order_any_number_of_times_with_duplicates_across(big: Big) -> None:
    job_id = str(uuid4())
    with big.stack.caller() as app:
        for part in _shuffled(list(_parts(big, job_id))):
            app.send_task("tags.part", [part], queue="tagsweep.parts")
        big.check(app.AsyncResult(job_id).get(timeout=60))


def _parts(big: Big, job_id: str) -> Iterator[dict[str, Any]]:
    """Yield the job in parts of 15,000 ids of each type, each with 5,000 of the one before."""
    pieces = [
        {name: pack(ids[max(0, at - 5_000) : at + 10_000]) for name, ids in big.lists.items()}
        for at in range(0, max(SIZES.values()), 10_000)
    ]
    for number, piece in enumerate(pieces):
        yield {
            "job_id": job_id,
            "nonce": "run",
            "number": number,
            "parts": len(pieces) if number == len(pieces) - 1 else None,
            "kind": "detach",
            "head": {"tenant": big.tenant, "names": NAMES},
            "ids": {name: base64.b64encode(ids).decode() for name, ids in piece.items()},
        }


def _shuffled(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the parts in another order, the last one first, every third one twice."""
    twice = [*parts[:-1], *parts[::3]]
    random.Random(3).shuffle(twice)  # noqa: S311  # no secret
    return [parts[-1], *twice]
