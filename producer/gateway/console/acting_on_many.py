"""What can be done to many jobs at once: to those that a filter shows, up to a limit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fastapi import Request

from tagsweep.producer.gateway import state
from tagsweep.producer.gateway.auth.callers import Caller
from tagsweep.producer.gateway.console.presentation import filters
from tagsweep.producer.gateway.console.reading import lists
from tagsweep.producer.gateway.console.reading.lists import Found
from tagsweep.producer.gateway.errors import JOB_ERRORS, Refusal
from tagsweep.producer.gateway.routes import job_actions
from tagsweep.producer.gateway.submission import transactions
from tagsweep.worker.jobs import control

#: most jobs at once
MOST = 1_000
TOO_MANY = "More than {most:,} jobs fit: narrow the filter. Nothing was done."

#: by action: what is done, to jobs of which statuses
_ACTIONS: dict[str, tuple[Any, frozenset[str]]] = {
    "cancel": (control.cancel, lists.OPEN),
    "retry": (control.retry, lists.RETRYABLE),
}


async def find(request: Request, caller: Caller, given: Mapping[str, str]) -> list[Found]:
    """Return the jobs that fit and to which the action in the path can be done.

    Raises Refusal (404; 409 if there are too many).
    """
    action = request.path_params["action"]
    if action not in _ACTIONS:
        raise Refusal(404, "There is nothing at this path.")
    wanted = replace(filters.wanted(given, caller), among=_ACTIONS[action][1])
    found = await state.of(request).store.run(lists.found, wanted, MOST + 1)
    if len(found) > MOST:
        raise Refusal(409, TOO_MANY.format(most=MOST))
    return found


async def act(request: Request, caller: Caller, found: list[Found]) -> None:
    """Do it to each; one that has ended, or begun, meanwhile stays as it is."""
    gateway, by = state.of(request), caller.through("console")
    step, _ = _ACTIONS[request.path_params["action"]]
    patience_s = max(job_actions.RETRY_S, gateway.store.patience_s)
    for job_id, tenant in found:
        try:
            _, after = await gateway.store.patiently(
                patience_s, transactions.act, job_id, tenant, step, by
            )
        except tuple(JOB_ERRORS):
            continue
        job_actions.after_commit(gateway, after)
