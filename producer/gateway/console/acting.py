"""What can be done to a job from its page, and the question before it."""

from __future__ import annotations

from typing import Any

from fastapi import Request

from tagsweep.producer.gateway import state
from tagsweep.producer.gateway.auth.callers import Caller
from tagsweep.producer.gateway.console import submission
from tagsweep.producer.gateway.console.presentation import questions
from tagsweep.producer.gateway.console.presentation.questions import Question
from tagsweep.producer.gateway.console.reading import job as jobs
from tagsweep.producer.gateway.errors import Refusal
from tagsweep.producer.gateway.routes import job_actions
from tagsweep.worker.jobs import control

#: by action: what is done, and how long that may take
_ACTIONS: dict[str, tuple[Any, float | None]] = {
    "cancel": (control.cancel, None),
    "pause": (control.pause, None),
    "resume": (control.resume, None),
    "retry": (control.retry, job_actions.RETRY_S),
}
#: what makes a new job, which belongs to the tenant of the key
OF_A_TENANT = ("undo", "run")
TOO_LATE = "This makes no sense now: the job is {status}."


async def question(
    request: Request, caller: Caller, action: str
) -> tuple[dict[str, Any], Question]:
    """Return the job in the path, and what is asked before ``action``.

    Raises Refusal (403; 409 if it makes no sense now), NoSuchJob.
    """
    if caller.admin and action in OF_A_TENANT:
        raise Refusal(403, state.ADMIN)
    tenant = None if caller.admin else caller.tenant
    job_id = request.path_params["job_id"]
    job, possible = await state.of(request).store.run(jobs.summary, job_id, tenant)
    if not possible[action]:
        raise Refusal(409, TOO_LATE.format(status=job["status"]))
    return job, questions.about(action, job)


async def act(request: Request, caller: Caller, action: str, token: str, note: str | None) -> str:
    """Do it, and return the id of the job that shows it: after an undo, or a run, the new one.

    ``token``: of the question; answered twice, it is one undo. ``note``: of a run.
    """
    job_id = str(job_actions.job_id(request))
    if action == "undo":
        return str(await submission.undo(request, caller, job_id, token))
    if action == "run":
        return str((await job_actions.run_preview(request, caller, "console", note)).job.id)
    gateway = state.of(request)
    step, patience_s = _ACTIONS[action]
    _, after = await job_actions.act(request, caller, step, patience_s, door="console")
    job_actions.after_commit(gateway, after)
    return job_id
