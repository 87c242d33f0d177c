"""The task id is the job's id: sent again it is the same job, and gets the same answer."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest

from tagsweep.worker.errors import JobRejected
from tests.support.stack import ServerStack, Stack, send
from tests.support.stores import counts, new_ids


def test_a_job_sent_again_is_answered_with_what_is_recorded(stack: Stack, tenant: str) -> None:
    ids, job_id = new_ids(3), str(uuid4())
    stack.store.tag(tenant, "legacy", tables=ids)
    body = {"tenant": tenant, "names": ["legacy"], "tables": ids}
    first = stack.run("tags.detach", body, task_id=job_id)
    assert first["counts"] == counts(total=3, removed=3)
    stack.store.tag(tenant, "legacy", tables=ids)
    assert stack.run("tags.detach", body, task_id=job_id) == first
    assert len(stack.store.links(tenant)) == 3
    assert len(stack.events(job_id)) == 1


def test_a_body_of_the_same_meaning_is_the_same_job(stack: Stack, tenant: str) -> None:
    ids, job_id = new_ids(2), str(uuid4())
    stack.store.tag(tenant, "legacy", tables=ids)
    body: dict[str, Any] = {"tenant": tenant, "names": ["legacy"], "tables": ids}
    first = stack.run("tags.detach", body, task_id=job_id)
    same: dict[str, Any] = {
        "tables": [ids[0].upper(), UUID(ids[1]).hex],
        "names": [" legacy "],
        "sources": [],
        "dry_run": False,
        "max_affected": None,
        "tenant": tenant,
    }
    assert stack.run("tags.detach", same, task_id=job_id) == first


def _thrice(stack: ServerStack, body: dict[str, Any], job_id: str) -> list[Any]:
    """Send the same job from three callers at once; return what each is told."""

    def call(_: int) -> Any:
        with stack.caller() as app:
            pending = send(app, "tags.detach", body, task_id=job_id)
            try:
                return pending.get(timeout=30)
            except JobRejected as rejected:
                return str(rejected)

    with ThreadPoolExecutor(3) as pool:
        return list(pool.map(call, range(3)))


@pytest.mark.parametrize("how_many", [10, 25_000])
def test_three_callers_at_once_get_one_effect_and_the_same_answer(
    server_stack: ServerStack, tenant: str, how_many: int
) -> None:
    ids, job_id = new_ids(how_many), str(uuid4())
    server_stack.store.tag(tenant, "legacy", tables=ids[:7])
    body = {"tenant": tenant, "names": ["legacy"], "tables": ids}
    answers = _thrice(server_stack, body, job_id)
    assert answers[0]["counts"] == counts(total=how_many, removed=7, absent=how_many - 7)
    assert answers == [answers[0]] * 3
    (event,) = server_stack.events(job_id)
    assert event["data"] == answers[0]
    assert server_stack.store.links(tenant) == set()


def test_three_callers_of_a_faulty_job_are_told_the_same(
    server_stack: ServerStack, tenant: str
) -> None:
    job_id = str(uuid4())
    answers = _thrice(server_stack, {"tenant": tenant}, job_id)
    assert answers == ["names: This field is required."] * 3
    assert len(server_stack.events(job_id)) == 1


@pytest.mark.slow
@pytest.mark.parametrize("how_many", [10, 25_000])
def test_one_caller_may_send_a_job_three_times(
    server_stack: ServerStack, tenant: str, how_many: int
) -> None:
    ids, job_id = new_ids(how_many), str(uuid4())
    server_stack.store.tag(tenant, "legacy", tables=ids)
    body = {"tenant": tenant, "names": ["legacy"], "tables": ids}
    sent = [server_stack.send("tags.detach", body, task_id=job_id) for _ in range(3)]
    answers = [pending.get(timeout=30) for pending in sent]
    assert answers == [answers[0]] * 3
    assert len(server_stack.events(job_id)) == 1


@pytest.mark.parametrize("spell", [str.upper, lambda text: UUID(text).hex])
def test_a_task_id_in_another_spelling_is_answered_under_its_own(
    stack: Stack, tenant: str, spell: Any
) -> None:
    job_id = str(uuid4())
    stack.store.tag(tenant, "legacy")
    done = stack.send(
        "tags.detach", {"tenant": tenant, "names": ["legacy"]}, task_id=spell(job_id)
    ).get(timeout=30)
    assert done["job_id"] == job_id
