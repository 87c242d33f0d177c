"""What a pool process does with messages that are there together.

Their jobs are done in one transaction, then each task is run by Celery as always, with its events,
signals and log: it finds that its job is done.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from celery.app import trace

from tagsweep.worker.broker import batching, delivery
from tagsweep.worker.broker.delivery import Delivery

#: a task's name, its id, and its request
Call = tuple[str, str, dict[str, Any]]


def call(request: Any) -> Call:
    """Return what a pool process is to know about a message."""
    return request.type, request.id, request.request_dict


def run(calls: Sequence[Call]) -> list[Any]:
    """Do the jobs of some messages together; return what Celery makes of each task.

    None for those that are to be done alone: nothing was done for them.
    """
    done = _done(calls)
    return [_traced(*one) if one[1] in done else None for one in calls]


def _done(calls: Sequence[Call]) -> Collection[str]:
    steps = batching.steps()
    return steps.do([_delivery(*one) for one in calls]) if steps else ()


def _delivery(task: str, task_id: str, request: dict[str, Any]) -> Delivery:
    return Delivery(
        task=task,
        task_id=task_id,
        args=tuple(request["args"]),
        kwargs=request["kwargs"],
        redelivered=False,
        reply_to=request["reply_to"],
        correlation_id=request["correlation_id"],
    )


def _traced(task: str, task_id: str, request: dict[str, Any]) -> Any:
    """Run a task whose job is done already."""
    payload: tuple[Any, ...] = (request["args"], request["kwargs"], {})
    with delivery.already_done(task_id):
        return trace.trace_task_ret(task, task_id, request, payload, None, None)
