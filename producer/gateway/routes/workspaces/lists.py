"""The tags of one workspace, and those that the workspaces of a project have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import Request, Response

from tagsweep.producer.gateway import state
from tagsweep.producer.gateway.errors import Refusal, document
from tagsweep.producer.gateway.openapi import operations
from tagsweep.producer.gateway.requests import offsets, pagination
from tagsweep.producer.gateway.routes import query_parameters
from tagsweep.producer.gateway.routes.workspaces import contract
from tagsweep.worker import database
from tagsweep.worker.store import bulk_load
from tagsweep.worker.store.inventory import workspaces
from tagsweep.worker.store.inventory.workspaces import Tag

PREFIX = "/v1/{project_id}/fabric-workspace"
MOST = 1_000
REFUSED = (400, 401, 403, 404, 413, 415, 429, 500, 503)

router = query_parameters.router()


@router.get(
    PREFIX + "/{workspace_id}/tags",
    summary="Querying tags of a resource",
    operation_id="listWorkspaceTags",
    **operations.operation(
        answers={200: "WorkspaceTags"},
        refused=REFUSED,
        shape="BatchDeleteError",
        path={"project_id": operations.IDENTIFIER, "workspace_id": operations.IDENTIFIER},
        query=offsets.query(MOST),
        security="authToken",
    ),
)
@router.get(PREFIX + "/{workspace_id}/tags/", include_in_schema=False)
async def of_workspace(request: Request) -> Response:
    """Show the tags of one workspace; those of the system only to operators."""
    caller, _ = await contract.reader(request)
    workspace, place = contract.workspace_of(request), offsets.read(request, MOST)
    store = state.of(request).store
    found = await store.run(_of_workspace, caller.tenant, workspace, place)
    if found is None:
        raise Refusal(404, contract.NO_WORKSPACE)
    tags, sys_tags = found
    return document({"tags": shown(tags), "sys_tags": shown(sys_tags) if caller.operator else []})


@router.get(
    PREFIX + "/tags",
    summary="Querying tags of a project",
    operation_id="listProjectTags",
    **operations.operation(
        answers={200: "ProjectTags"},
        refused=REFUSED,
        shape="BatchDeleteError",
        path={"project_id": operations.IDENTIFIER},
        query={"use_predefine_tags": {"type": "boolean"}, **offsets.query(MOST)},
        security="authToken",
    ),
)
@router.get(PREFIX + "/tags/", include_in_schema=False)
async def of_project(request: Request) -> Response:
    """Show each key that workspaces of the project have, with all its values."""
    caller, _ = await contract.reader(request)
    if pagination.parameter(request, "use_predefine_tags") not in (None, "true", "false"):
        raise Refusal(400, "use_predefine_tags must be true or false.")
    found = await state.of(request).store.run(
        _of_project, caller.tenant, offsets.read(request, MOST)
    )
    return document({"tags": [{"key": key, "values": values} for key, values in found]})


def shown(tags: Sequence[Tag]) -> list[dict[str, Any]]:
    """Return tags of a workspace as JSON."""
    return [{"key": key, "value": value} for key, value in tags]


def _of_workspace(
    tenant: str, workspace: str, place: offsets.Place
) -> tuple[list[Tag], list[Tag]] | None:
    with database.snapshot() as connection:
        if not bulk_load.has_workspace(connection, tenant, workspace):
            return None
        tags = workspaces.tags_of(connection, tenant, workspace, place.offset, place.limit)
        return tags, workspaces.sys_tags_of(connection, tenant, workspace)


def _of_project(tenant: str, place: offsets.Place) -> list[tuple[str, list[str]]]:
    with database.snapshot() as connection:
        return workspaces.keys(connection, tenant, place.offset, place.limit)
