"""A message that waits for its time waits in a worker, and outlives it."""

from __future__ import annotations

from typing import Any

from tests.chaos.conftest import MakeStack
from tests.support.stack import eventually
from tests.support.stores import counts, new_ids

DELAY_S = 6


def test_a_message_with_a_countdown_outlives_the_worker_that_holds_it(
    make_stack: MakeStack, any_broker: str, tenant: str
) -> None:
    stack = make_stack(any_broker, visibility_s=2)
    ids = new_ids(2)
    stack.store.tag(tenant, "legacy", tables=ids[:1])
    first = stack.start_worker()
    stack.wait()
    body: dict[str, Any] = {"tenant": tenant, "names": ["legacy"], "tables": ids}
    with stack.caller() as app:
        sent = app.send_task("tags.detach", [body], queue="tagsweep", countdown=DELAY_S)
        eventually(lambda: sent.id in first.log)
        assert stack.store.job(sent.id) is None
        first.kill()
        stack.start_worker()
        assert sent.get(timeout=40)["counts"] == counts(total=2, removed=1, absent=1)
