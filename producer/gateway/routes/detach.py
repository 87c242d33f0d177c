"""The contract *Detach Tags*: ``POST /api/v1/tags/detach/`` with an ``x-api-key``."""

from __future__ import annotations

from fastapi import Request, Response

from tagsweep.producer.gateway.routes import query_parameters, tagging
from tagsweep.worker.models.jobs import DetachJob

router = query_parameters.router()


@router.post(
    "/api/v1/tags/detach/",
    summary="Detach tags",
    operation_id="detachTags",
    **tagging.operation("Detach"),
)
@router.post("/api/v1/tags/detach", include_in_schema=False)
async def detach(request: Request) -> Response:
    """Take tags off resources and answer with the tags that were matched; the tags stay."""
    return await tagging.serve(request, DetachJob.kind)
