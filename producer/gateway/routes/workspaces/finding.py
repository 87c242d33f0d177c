"""Workspaces found by their tags and names: the workspaces, or how many there are."""

from __future__ import annotations

from typing import Any

from fastapi import Request, Response

from tagsweep.producer.gateway import errors, state
from tagsweep.producer.gateway.errors import Refusal, document
from tagsweep.producer.gateway.openapi import operations
from tagsweep.producer.gateway.requests import offsets, workspace_filter
from tagsweep.producer.gateway.requests.parsing import NotJson
from tagsweep.producer.gateway.routes import query_parameters
from tagsweep.producer.gateway.routes.workspaces import contract, lists
from tagsweep.worker import database
from tagsweep.worker.errors import InvalidJob
from tagsweep.worker.store.inventory import workspaces
from tagsweep.worker.store.inventory.workspaces import Wanted, Workspace

PREFIX = "/v1/{project_id}/fabric-workspace/resource-instances"
MOST, SOME = 100, 10

router = query_parameters.router()


def _operation(answer: str, query: dict[str, Any]) -> dict[str, Any]:
    operation = operations.operation(
        body="WorkspaceFilter",
        answers={200: answer},
        refused=lists.REFUSED,
        shape="BatchDeleteError",
        path={"project_id": operations.IDENTIFIER},
        query=query,
        security="authToken",
    )
    # none is the same as {}: all workspaces are found
    operation["openapi_extra"]["requestBody"]["required"] = False
    return operation


@router.post(
    f"{PREFIX}/filter",
    summary="Querying resources by tag",
    operation_id="listTagWorkspaces",
    **_operation("FoundWorkspaces", offsets.query(MOST, SOME)),
)
@router.post(f"{PREFIX}/filter/", include_in_schema=False)
async def find(request: Request) -> Response:
    """Show a page of the workspaces that meet the filter, and how many there are."""
    tenant, wanted, operator = await _read(request)
    place = offsets.read(request, MOST, SOME)
    found, total = await state.of(request).store.run(_find, tenant, wanted, place)
    resources = [_shown(one, operator=operator) for one in found]
    return document({"resources": resources, "total_count": total})


@router.post(
    f"{PREFIX}/count",
    summary="Querying the number of resources by tag",
    operation_id="countTagWorkspaces",
    **_operation("WorkspaceCount", {}),
)
@router.post(f"{PREFIX}/count/", include_in_schema=False)
async def count(request: Request) -> Response:
    """Show how many workspaces meet the filter."""
    tenant, wanted, _ = await _read(request)
    return document({"total_count": await state.of(request).store.run(_count, tenant, wanted)})


async def _read(request: Request) -> tuple[str, Wanted, bool]:
    """Return whose workspaces are looked for, which, and whether an operator looks."""
    caller, body = await contract.reader(request)
    try:
        wanted = workspace_filter.parse(body)
    except NotJson as error:
        raise Refusal(400, f"JSON parse error - {error}") from None
    except InvalidJob as invalid:
        raise errors.invalid(invalid) from None
    if wanted.sys_tags and not caller.operator:
        raise Refusal(403, contract.NO_OPERATOR)
    return caller.tenant, wanted, caller.operator


def _shown(one: Workspace, *, operator: bool) -> dict[str, Any]:
    return {
        "resource_id": one.id,
        "resource_detail": {},
        "resource_name": one.name,
        "tags": lists.shown(one.tags),
        "sys_tags": lists.shown(one.sys_tags) if operator else [],
    }


def _find(tenant: str, wanted: Wanted, place: offsets.Place) -> tuple[list[Workspace], int]:
    with database.snapshot() as connection:
        page = workspaces.page(connection, tenant, wanted, place.offset, place.limit)
        return page, workspaces.count(connection, tenant, wanted)


def _count(tenant: str, wanted: Wanted) -> int:
    with database.reading() as connection:
        return workspaces.count(connection, tenant, wanted)
