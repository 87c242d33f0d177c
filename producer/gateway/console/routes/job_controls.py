"""What people do with a job: cancel, pause, resume, retry, undo, each after a question."""

from __future__ import annotations

from secrets import token_urlsafe

from fastapi import Request, Response

from tagsweep.producer.gateway.console import acting, rendering, routing
from tagsweep.producer.gateway.console.presentation import questions
from tagsweep.producer.gateway.console.visitors import access
from tagsweep.producer.gateway.errors import Refusal
from tagsweep.worker.models.fields import MOST_NOTE

router = routing.router()


@router.get("/console/jobs/{job_id}/{action}")
async def ask(request: Request) -> Response:
    """Ask before something is done, and say what it would lead to."""
    action = _action(request)
    who = await access.visitor(request, *questions.SCOPES[action])
    job, question = await acting.question(request, who.caller, action)
    values = {"job": job, "action": action, "question": question, "token": token_urlsafe()}
    values["most_note"] = MOST_NOTE
    return rendering.page(request, "confirm", values)


@router.post("/console/jobs/{job_id}/{action}")
async def act(request: Request) -> Response:
    """Do it, and lead to the page of the job that shows it."""
    action = _action(request)
    who, form = await access.form(request, *questions.SCOPES[action])
    _, question = await acting.question(request, who.caller, action)
    if not questions.is_confirmed(question, form.one("typed")):
        raise Refusal(400, questions.NOT_TYPED.format(typed=question.typed))
    note = form.one("note") or None
    shown = await acting.act(request, who.caller, action, form.one("token"), note)
    return rendering.redirect(request, f"/jobs/{shown}")


def _action(request: Request) -> str:
    action: str = request.path_params["action"]
    if action not in questions.SCOPES:
        raise Refusal(404, "There is nothing at this path.")
    return action
