"""Parts of a streamed job, as a producer of another make might send them."""

from __future__ import annotations

import base64
from typing import Any
from uuid import UUID, uuid4

import pytest

from tagsweep.worker.errors import JobRejected
from tagsweep.worker.jobs import control, lifecycle, parts, queries
from tagsweep.worker.models.ids import pack
from tagsweep.worker.models.parts import Part
from tests.support.stack import ServerStack, eventually
from tests.support.stores import counts, new_ids, new_tenant

QUEUE = "tagsweep.parts"


def _part(tenant: str, job_id: str, ids: list[str], **other: Any) -> dict[str, Any]:
    return {
        "job_id": job_id,
        "nonce": "run",
        "number": 0,
        "parts": 1,
        "kind": "detach",
        "head": {"tenant": tenant, "names": ["legacy"]},
        "ids": {"tables": base64.b64encode(pack(ids)).decode()},
        **other,
    }


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "frobnicate"},
        {"ids": {"tabels": ""}},
        {"ids": {"tables": base64.b64encode(b"short").decode()}},
        {"ids": {"tables": "no base64!"}},
        {"number": -1},
        {"job_id": "no uuid"},
        {"nonce": ""},
        {"head": {"names": []}},
        {"more": 1},
    ],
)
def test_what_is_no_part_is_set_aside_and_its_sender_told(
    server_stack: ServerStack, tenant: str, wrong: dict[str, Any]
) -> None:
    job_id = str(uuid4())
    pending = server_stack.send("tags.part", {**_part(tenant, job_id, []), **wrong})
    with pytest.raises(JobRejected):
        pending.get(timeout=30)
    assert len(server_stack.store.set_aside(pending.id)) == 1
    assert server_stack.store.job(job_id) is None


def test_a_part_under_another_job_s_id_neither_touches_nor_shows_it(
    server_stack: ServerStack, tenant: str
) -> None:
    other, ids = new_tenant(), new_ids(2)
    for owner in (tenant, other):
        server_stack.store.tag(owner, "legacy", tables=ids)
    done = server_stack.detach(tenant, ["legacy"], tables=ids)
    pending = server_stack.send("tags.part", _part(other, done["job_id"], ids))
    eventually(lambda: server_stack.store.set_aside(pending.id))
    assert len(server_stack.store.links(other)) == 2
    assert server_stack.store.parts(done["job_id"]) == []
    assert len(server_stack.events(done["job_id"])) == 1


def test_a_part_of_another_run_of_the_producer_is_dropped(
    server_stack: ServerStack, tenant: str
) -> None:
    ids, job_id = new_ids(2), str(uuid4())
    server_stack.store.tag(tenant, "legacy", tables=ids)
    sent = [
        _part(tenant, job_id, ids[:1], parts=None),
        _part(tenant, job_id, new_ids(5), nonce="another", number=1, parts=2),
        _part(tenant, job_id, ids[1:], number=1, parts=2),
    ]
    with server_stack.caller() as app:
        for part in sent:
            app.send_task("tags.part", [part], queue=QUEUE)
            eventually(lambda: server_stack.store.job(job_id))
        done = app.AsyncResult(job_id).get(timeout=30)
    assert done["counts"] == counts(total=2, removed=2)


@pytest.mark.parametrize("status", ["cancelled", "failed", "rejected"])
def test_what_has_arrived_of_a_stream_goes_with_its_job(
    server_stack: ServerStack, tenant: str, status: str
) -> None:
    store, job_id = server_stack.store, str(uuid4())
    with server_stack.caller() as app:
        app.send_task("tags.part", [_part(tenant, job_id, new_ids(2), parts=None)], queue=QUEUE)
        eventually(lambda: store.parts(job_id))
        with store.transaction() as connection:
            if status == "cancelled":
                control.cancel(connection, UUID(job_id))
            else:
                lifecycle.end(connection, queries.lock(connection, UUID(job_id)), status)
        assert store.parts(job_id) == []
        late = Part.parse(_part(tenant, job_id, new_ids(2), number=1, parts=2))
        with store.transaction() as connection:
            assert not parts.receive(connection, queries.get(connection, late.job_id), late)
    assert store.parts(job_id) == []
    assert store.job(job_id).status == status
