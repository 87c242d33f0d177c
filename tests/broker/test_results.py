"""What a caller's ``get()`` returns is the job's end, whatever its version of Celery asks for."""

from __future__ import annotations

from uuid import uuid4

from tests.support.stack import ServerStack
from tests.support.stores import counts, new_ids


def test_a_caller_that_asks_for_the_tasks_own_result_gets_the_jobs_answer(
    server_stack: ServerStack, tenant: str
) -> None:
    """Older callers say so in each message, and the task itself returns nothing."""
    ids, job_id = new_ids(25_000), str(uuid4())
    server_stack.store.tag(tenant, "legacy", tables=ids[:3])
    body = {"tenant": tenant, "names": ["legacy"], "tables": ids}
    with server_stack.caller() as app:
        pending = app.send_task(
            "tags.detach", [body], queue="tagsweep", task_id=job_id, ignore_result=False
        )
        answer = pending.get(timeout=30)
    assert answer["job_id"] == job_id
    assert answer["counts"] == counts(total=25_000, removed=3, absent=24_997)
