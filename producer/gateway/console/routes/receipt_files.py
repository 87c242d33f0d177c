"""A job's receipt as a file."""

from __future__ import annotations

from fastapi import Request, Response

from tagsweep.producer.gateway import state
from tagsweep.producer.gateway.console import routing
from tagsweep.producer.gateway.console.visitors import access
from tagsweep.producer.gateway.errors import Refusal
from tagsweep.producer.gateway.routes import job_actions, receipts
from tagsweep.worker.models.formats import CSV, NDJSON
from tagsweep.worker.models.views import OUTCOMES

_FORMS = {"csv": CSV, "ndjson": NDJSON}

router = routing.router()


@router.get("/console/jobs/{job_id}/receipt.{form}")
async def read(request: Request) -> Response:
    """Send what became of each item of the job."""
    who = await access.visitor(request)
    form = request.path_params["form"]
    if form not in _FORMS:
        raise Refusal(404, "There is nothing at this path.")
    job_id = job_actions.job_id(request)
    tenant = await job_actions.owner(state.of(request), who.caller, job_id)
    response = await receipts.streamed(request, job_id, tenant, set(OUTCOMES), _FORMS[form])
    response.headers["Content-Disposition"] = f'attachment; filename="receipt-{job_id}.{form}"'
    return response
