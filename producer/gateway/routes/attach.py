"""Attach: ``POST /api/v1/tags/attach/``, with body and answer as *Detach Tags* has them."""

from __future__ import annotations

from fastapi import Request, Response

from tagsweep.producer.gateway.routes import query_parameters, tagging
from tagsweep.worker.models.jobs import AttachJob

router = query_parameters.router()


@router.post(
    "/api/v1/tags/attach/",
    summary="Attach tags",
    operation_id="attachTags",
    **tagging.operation("Attach"),
)
@router.post("/api/v1/tags/attach", include_in_schema=False)
async def attach(request: Request) -> Response:
    """Put tags, created where they are missing, on resources and answer with these tags."""
    return await tagging.serve(request, AttachJob.kind)
