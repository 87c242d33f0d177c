"""A job tells what it was asked for, by whom, and through which door."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

import pytest

from tagsweep.producer import transactional
from tagsweep.worker import database
from tagsweep.worker.errors import InvalidJob
from tagsweep.worker.events import outbox
from tagsweep.worker.jobs import parts, queries, recording
from tagsweep.worker.models import views
from tagsweep.worker.models.jobs import DetachJob, parse_job
from tagsweep.worker.models.parts import Part
from tests.support import driving
from tests.support.stack import ServerStack, eventually, producing
from tests.support.stores import Store, new_ids

NOBODY = {"name": None, "door": "message", "proved": False}


def _shown(job_id: UUID) -> dict[str, Any]:
    with database.reading() as connection:
        job = queries.get(connection, job_id)
        return views.of(job, outbox.latest(connection, job_id) if job.ended else None)


def _told(store: Store, body: Mapping[str, Any], *, at_once: bool = True) -> dict[str, Any]:
    """Return a job that has ended, as shown; its event has to tell the same."""
    job_id = driving.record(parse_job(body), at_once=at_once)
    if not at_once:
        driving.split(job_id)
    driving.finish(job_id)
    shown = _shown(job_id)
    (event,) = store.outbox(job_id)
    with database.reading() as connection:
        latest = outbox.latest(connection, job_id)
    assert latest is not None
    assert event.end == 1
    for name in ("request", "requested_by", "note", "warnings"):
        assert latest["data"].get(name) == shown.get(name)
    return shown


@pytest.mark.parametrize("at_once", [True, False])
def test_a_job_shows_what_it_was_asked_for(store: Store, tenant: str, *, at_once: bool) -> None:
    ids = new_ids(3)
    store.tag(tenant, "legacy", tables=ids)
    body = {"kind": "detach", "tenant": tenant, "names": ["legacy"], "layers": "*"}
    limits = {"max_affected": 9, "dry_run": True, "note": "asked for by legal"}
    shown = _told(store, {**body, **limits, "tables": [*ids, ids[0]]}, at_once=at_once)
    assert shown["request"] == {
        "names": ["legacy"],
        "max_affected": 9,
        "dry_run": True,
        "lists": {"layers": "*", "tables": 4},
    }
    assert (shown["note"], shown["requested_by"]) == ("asked for by legal", NOBODY)


def test_each_kind_shows_what_it_was_asked_for(store: Store, tenant: str) -> None:
    store.workspace(tenant, "w-1", {"env": "dev"})
    wanted = {"tags": [{"key": "env", "value": "dev"}], "sys_tags": [{"key": "team"}]}
    delete = {"kind": "delete", "tenant": tenant, "workspaces": ["w-1"], **wanted}
    assert _told(store, delete)["request"] == {**wanted, "lists": {"workspaces": 1}}
    attach = {"kind": "attach", "tenant": tenant, "names": ["new"], "sources": new_ids(2)}
    attached = _told(store, attach)
    assert attached["request"] == {"names": ["new"], "lists": {"sources": 2}}
    undo = _told(store, {"kind": "undo", "tenant": tenant, "job": attached["id"]})
    assert undo["request"] == {"job": attached["id"], "lists": {}}


def test_a_stream_shows_how_long_its_lists_were(store: Store, tenant: str) -> None:
    ids = new_ids(5)
    store.tag(tenant, "legacy", tables=ids)
    head = {"tenant": tenant, "names": ["legacy"], "requested_by": {"name": "nightly"}}
    job_id, nonce = uuid4(), uuid4().hex
    packed = driving.lists(tables=ids).ids
    for number in range(3):
        some = {"tables": next(iter(packed.values())), "layers": b"\1" * 16 * number}
        part = Part(
            job_id=job_id, nonce=nonce, number=number, parts=3, kind="detach", head=head, ids=some
        )
        with database.transaction() as connection:
            job = recording.record_stream(connection, part.job_id, part.nonce, part.job())
            parts.receive(connection, job, part)
        assert ("tables" in _shown(job_id)["request"]["lists"]) == (number == 2)
    driving.split(job_id)
    driving.finish(job_id)
    shown = _shown(job_id)
    assert shown["request"]["lists"] == {"layers": 3, "tables": 15}
    assert shown["requested_by"] == {"name": "nightly", "door": "message", "proved": False}


@pytest.mark.parametrize(
    "said,told",
    [
        (None, NOBODY),
        ({}, NOBODY),
        ({"name": " nightly "}, NOBODY | {"name": "nightly"}),
        ({"name": "x", "door": "python"}, {"name": "x", "door": "python", "proved": False}),
        # nothing but a credential proves a name, and no message comes through another door
        ({"name": "x", "door": "http", "proved": True}, NOBODY | {"name": "x"}),
    ],
)
def test_a_message_may_give_a_name_that_nothing_proves(said: Any, told: dict[str, Any]) -> None:
    job = DetachJob.parse({"tenant": "acme", "names": ["a"], "requested_by": said})
    assert job.requested_by.shown() == told


@pytest.mark.parametrize(
    "said,path",
    [
        ("nightly", "/requested_by"),
        ({"name": 7}, "/requested_by/name"),
        ({"name": ""}, "/requested_by/name"),
        ({"name": "x" * 256}, "/requested_by/name"),
        ({"name": "a\0b"}, "/requested_by/name"),
        ({"nmae": "x"}, "/requested_by/nmae"),
    ],
)
def test_a_message_names_its_sender_properly_or_is_refused(said: Any, path: str) -> None:
    with pytest.raises(InvalidJob) as refused:
        DetachJob.parse({"tenant": "acme", "names": ["a"], "requested_by": said})
    assert [error["path"] for error in refused.value.errors] == [path]


@pytest.mark.parametrize("note", [7, ["x"], "x" * 1_001, "a\0b"])
def test_a_note_is_a_text(note: Any) -> None:
    with pytest.raises(InvalidJob) as refused:
        DetachJob.parse({"tenant": "acme", "names": ["a"], "note": note})
    assert [error["path"] for error in refused.value.errors] == ["/note"]


def test_who_asks_is_no_part_of_what_makes_two_jobs_the_same() -> None:
    body = {"tenant": "acme", "names": ["a"], "tables": new_ids(1)}
    plain = DetachJob.parse(body)
    named = DetachJob.parse({**body, "requested_by": {"name": "x"}})
    assert plain.fingerprint() == named.fingerprint() == plain.through("http", "k").fingerprint()
    assert plain.fingerprint() != DetachJob.parse({**body, "note": "x"}).fingerprint()
    assert "requested_by" not in named.head()


def test_an_empty_list_is_told(store: Store, tenant: str) -> None:
    store.tag(tenant, "legacy")
    body = {"kind": "detach", "tenant": tenant, "names": ["legacy"], "tables": []}
    shown = _told(store, body)
    warned = [(one["path"], one["code"]) for one in shown["warnings"]]
    assert (shown["status"], warned) == ("succeeded", [("/tables", "empty_list")])
    nothing = _told(
        store, {"kind": "delete", "tenant": tenant, "tags": [{"key": "a"}], "workspaces": []}
    )
    assert [one["path"] for one in nothing["warnings"]] == ["/workspaces"]
    assert "warnings" not in _told(store, {**body, "tables": new_ids(1)})


def test_a_service_s_own_transaction_names_python_as_the_door(store: Store, tenant: str) -> None:
    body = {"kind": "detach", "tenant": tenant, "names": ["a"], "requested_by": {"name": "billing"}}
    with store.transaction() as connection:
        job_id = transactional.record(connection, body)
    assert _shown(job_id)["requested_by"] == {"name": "billing", "door": "python", "proved": False}


@pytest.mark.integration
@pytest.mark.slow
def test_a_python_program_says_who_it_is(server_stack: ServerStack, tenant: str) -> None:
    ids = new_ids(2)
    server_stack.store.tag(tenant, "legacy", tables=ids)
    with producing(server_stack, requested_by="nightly") as sender:
        done = sender.detach(tenant=tenant, names=["legacy"], tables=ids, note="why").result(30)
        stream = (new_id for new_id in new_ids(20_001))
        long = sender.detach(tenant=tenant, names=["legacy"], tables=stream, layers=[]).result(60)
    told = {"name": "nightly", "door": "python", "proved": False}
    assert (done["requested_by"], done["note"]) == (told, "why")
    assert long["requested_by"] == told
    assert long["request"]["lists"] == {"tables": 20_001}
    assert [one["path"] for one in long["warnings"]] == ["/layers"]
    eventually(lambda: server_stack.store.job(done["job_id"]).status == "succeeded")
