"""The resources of a type that carry tags, as the example of the detach page reads them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import Request, Response

from tagsweep.producer.gateway import state
from tagsweep.producer.gateway.errors import Refusal, document
from tagsweep.producer.gateway.openapi import operations
from tagsweep.producer.gateway.requests import pagination
from tagsweep.producer.gateway.routes import query_parameters
from tagsweep.worker import database
from tagsweep.worker.models.ids import RESOURCE_TYPES, number_of
from tagsweep.worker.store.inventory import resources

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
    place = (caller.tenant, number_of(name), _cursor(page.cursor.place), page.size + 1)
    count, ids, tags = await gateway.store.patiently(
        PATIENCE_S, _page, *place, back=page.cursor.back, offset=page.offset, expanded=expanded
    )

    def shown(id_: UUID) -> dict[str, Any]:
        return {"id": str(id_), "tags": tags[id_]} if expanded else {"id": str(id_)}

    return document(page.answer(request, count, ids, str, shown))


def _expanded(request: Request) -> bool:
    given = [value for name in EXPAND for value in request.query_params.getlist(name)]
    if any(value != "tags" for value in given):
        raise Refusal(400, "Only tags can be expanded: expand[]=tags.")
    return bool(given)


def _cursor(text: str | None) -> UUID | None:
    try:
        return None if text is None else UUID(text)
    except ValueError:
        raise pagination.invalid_cursor() from None


def _page(  # noqa: PLR0913  # a page has so many parts
    tenant: str,
    number: int,
    cursor: UUID | None,
    limit: int,
    *,
    back: bool,
    offset: int,
    expanded: bool,
) -> tuple[int, list[UUID], dict[UUID, list[dict[str, Any]]]]:
    with database.reading() as connection:
        ids = resources.page(connection, tenant, number, cursor, limit, back=back, offset=offset)
        count = resources.count(connection, tenant, number)
        if not expanded:
            return count, ids, {}
        tags = resources.tags_of(connection, tenant, number, sorted(ids))
    return count, [id_ for id_ in ids if id_ in tags], tags


for _name in RESOURCE_TYPES:
    router.get(
        f"/api/v1/{_name}/",
        summary=f"List {_name} that carry tags",
        operation_id=f"list{_name.capitalize()}",
        **operations.operation(
            answers={200: "Resources"},
            refused=(400, 401, 404, 429, 500, 503),
            query={EXPAND[0]: {"type": "string", "enum": ["tags"]}, **pagination.QUERY},
            aliases=dict.fromkeys(EXPAND[1:], EXPAND[0]),
        ),
    )(show_all)
    router.get(f"/api/v1/{_name}", include_in_schema=False)(show_all)
