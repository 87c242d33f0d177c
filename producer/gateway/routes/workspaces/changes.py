"""Batch create and batch delete: calls that change the tags of one workspace."""

from __future__ import annotations

from typing import Any

from fastapi import Request, Response

from tagsweep.producer.gateway.openapi import operations
from tagsweep.producer.gateway.routes import query_parameters
from tagsweep.producer.gateway.routes.workspaces import contract

PATH = "/v1/{project_id}/fabric-workspace/{workspace_id}/tags"

router = query_parameters.router()


def _operation(body: str) -> dict[str, Any]:
    return operations.operation(
        body=body,
        answers={202: "Job", 204: None},
        refused=(400, 401, 403, 404, 408, 409, 413, 415, 429, 500, 503),
        shape="BatchDeleteError",
        headers=operations.ASYNCHRONOUS,
        path={"project_id": operations.IDENTIFIER, "workspace_id": operations.IDENTIFIER},
        security="authToken",
    )


@router.post(
    f"{PATH}/delete",
    status_code=204,
    summary="Batch deleting resource tags",
    operation_id="batchDeleteResourceTags",
    **_operation("BatchDelete"),
)
@router.post(f"{PATH}/delete/", include_in_schema=False)
async def batch_delete(request: Request) -> Response:
    """Delete tags from one workspace; a tag that is not there is a success."""
    return await contract.submitted(request, "batch_delete")


@router.post(
    f"{PATH}/create",
    status_code=204,
    summary="Batch creating resource tags",
    operation_id="batchCreateResourceTags",
    **_operation("BatchCreate"),
)
@router.post(f"{PATH}/create/", include_in_schema=False)
async def batch_create(request: Request) -> Response:
    """Set tags of one workspace; a key that is there gets the new value."""
    return await contract.submitted(request, "batch_create")
