"""The resources of a type that carry tags, as the example of the detach page reads them."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response

from tagsweep.producer.gateway import state
from tagsweep.producer.gateway.errors import Refusal, document
from tagsweep.producer.gateway.openapi import operations
from tagsweep.producer.gateway.requests import pagination
from tagsweep.producer.gateway.routes import query_parameters
from tagsweep.worker import database
from tagsweep.worker.database import Connection
from tagsweep.worker.mapping import file, job_resources
from tagsweep.worker.models.ids import RESOURCE_TYPES, number_of
from tagsweep.worker.models.resources import NUMBER, pack_kind
from tagsweep.worker.store.inventory.mapped import MappedInventory
from tagsweep.worker.store.inventory.resources import OwnInventory

EXPAND = ("expand[]", "expand")
#: a page is two statements over all tags of a tenant
PATIENCE_S = 30.0

router = query_parameters.router()


async def show_all(request: Request) -> Response:
    """List the tenant's resources of one type that carry tags, ordered by id."""
    gateway = state.of(request)
    caller = await gateway.caller_by_key(request)
    name = request.url.path.strip("/").rpartition("/")[2]
    expanded, page = _expanded(request), pagination.read(request)
    mapping = file.load()
    mapped = mapping.resources.get(name) if mapping else None
    cursor = _cursor(page.cursor.place, number=mapped is not None and mapped.kind == NUMBER)
    wanted = (caller.tenant, name, cursor, page.size + 1)
    count, ids, tags = await gateway.store.patiently(
        PATIENCE_S,
        _page,
        *wanted,
        back=page.cursor.back,
        offset=page.offset,
        expanded=expanded,
    )

    def shown(id_: Any) -> dict[str, Any]:
        own = id_ if isinstance(id_, int) else str(id_)
        return {"id": own, "tags": tags[id_]} if expanded else {"id": own}

    return document(page.answer(request, count, ids, str, shown))


def _expanded(request: Request) -> bool:
    given = [value for name in EXPAND for value in request.query_params.getlist(name)]
    if any(value != "tags" for value in given):
        raise Refusal(400, "Only tags can be expanded: expand[]=tags.")
    return bool(given)


def _cursor(text: str | None, *, number: bool) -> UUID | None:
    try:
        if number and text is not None:
            return UUID(bytes=pack_kind(NUMBER, [text]))
        return None if text is None else UUID(text)
    except ValueError:
        raise pagination.invalid_cursor() from None


def _page(  # noqa: PLR0913  # a page has so many parts
    tenant: str,
    name: str,
    cursor: UUID | None,
    limit: int,
    *,
    back: bool,
    offset: int,
    expanded: bool,
) -> tuple[int, list[Any], dict[Any, list[dict[str, Any]]]]:
    with database.reading() as connection:
        found = _inventory(connection, tenant, name)
        ids = found.page(cursor, limit, back=back, offset=offset)
        count = found.count()
        if not expanded:
            return count, ids, {}
        tags = found.tags_of(ids)
    return count, [id_ for id_ in ids if id_ in tags], tags


def _inventory(connection: Connection, tenant: str, name: str) -> Any:
    """Return what reads these resources: their ids are of a kind of their own."""
    mapping = file.load()
    if mapping is None or name not in mapping.resources:
        return OwnInventory(connection, number_of(name), tenant)
    return MappedInventory(connection, job_resources.current(connection, mapping, name), tenant)


def _add(to: APIRouter, name: str) -> None:
    """Add the routes of the resources of a name."""
    words = re.findall(r"[a-z0-9]+", name)
    to.get(
        f"/api/v1/{name}/",
        summary=f"List {name} that carry tags",
        operation_id="list" + "".join(word.capitalize() for word in words),
        **operations.operation(
            answers={200: "Resources"},
            refused=(400, 401, 404, 429, 500, 503),
            query={EXPAND[0]: {"type": "string", "enum": ["tags"]}, **pagination.QUERY},
            aliases=dict.fromkeys(EXPAND[1:], EXPAND[0]),
        ),
    )(show_all)
    to.get(f"/api/v1/{name}", include_in_schema=False)(show_all)


for _name in RESOURCE_TYPES:
    _add(router, _name)


def mapped() -> APIRouter:
    """Return the routes of the resources that the map has beside the eight types."""
    found = query_parameters.router()
    mapping = file.load()
    for name in mapping.resources if mapping else ():
        if name not in RESOURCE_TYPES:
            _add(found, name)
    return found
