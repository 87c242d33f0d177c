"""Tags as resources: list, search, create, show and rename them."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, unquote
from uuid import UUID

from fastapi import Request, Response

from tagsweep.producer.gateway.errors import Refusal, document
from tagsweep.producer.gateway.openapi import operations
from tagsweep.producer.gateway.requests import pagination
from tagsweep.producer.gateway.routes import query_parameters, tag_requests
from tagsweep.worker.database import Connection
from tagsweep.worker.store.inventory import tag_list
from tagsweep.worker.store.inventory.tag_list import TagFilter
from tagsweep.worker.store.tags import naming

TAGS = "/api/v1/tags/"
EXPAND = ("expand[]", "expand")

router = query_parameters.router()

_TEXT = {"type": "string", "pattern": r"^[^\u0000]*$"}
_EXPAND = {EXPAND[0]: {"type": "string", "enum": ["links"]}}
_TENANT = {"tenant": operations.IDENTIFIER}
_ALIASES = dict.fromkeys(EXPAND[1:], EXPAND[0])
_PATH = {"tag_id": operations.UUID_TEXT}


@router.get(
    TAGS,
    summary="List tags",
    operation_id="listTags",
    **operations.operation(
        answers={200: "ListedTags"},
        refused=(400, 401, 404, 429, 500, 503),
        shape="DetachError",
        query={
            **_TENANT,
            "search": _TEXT,
            "name": {"type": "array", "items": _TEXT},
            **_EXPAND,
            **pagination.QUERY,
        },
        aliases=_ALIASES,
    ),
)
@router.get(TAGS.rstrip("/"), include_in_schema=False)
async def show_all(request: Request) -> Response:
    """List the tenant's tags by name: all, those of certain names, or what a search finds.

    ``expand[]=links`` adds on how many resources each of them is, counted to 1,000,000.
    """
    tenant = (await tag_requests.caller(request)).tenant
    page, expanded = pagination.read(request), _expanded(request)
    cursor = None if page.cursor.place is None else _cursor(page.cursor.place)
    wanted = TagFilter(tenant, _search(request), _names(request))
    count, found = await tag_requests.read(
        request,
        _page,
        wanted,
        cursor,
        page.size + 1,
        back=page.cursor.back,
        offset=page.offset,
        expanded=expanded,
    )
    return document(page.answer(request, count, found, _place, lambda one: one))


@router.post(
    TAGS,
    status_code=201,
    summary="Create a tag",
    operation_id="createTag",
    **operations.operation(
        body="Naming",
        answers={201: "Tag"},
        refused=(400, 401, 413, 415, 429, 500, 503),
        shape="DetachError",
        query=_TENANT,
    ),
)
@router.post(TAGS.rstrip("/"), include_in_schema=False)
async def create(request: Request) -> Response:
    """Create a tag, which nothing carries yet, and answer with it."""
    caller, wanted = await tag_requests.caller(request), await tag_requests.naming(request)
    by = caller.through("http")
    created = await tag_requests.done(request, naming.create, caller.tenant, wanted, by)
    return document(created, 201, {"Location": f"{TAGS}{created['id']}/"})


@router.get(
    f"{TAGS}{{tag_id:uuid}}/",
    summary="Show a tag",
    operation_id="showTag",
    **operations.operation(
        answers={200: "ListedTag"},
        refused=(400, 401, 404, 429, 500, 503),
        shape="DetachError",
        path=_PATH,
        query={**_TENANT, **_EXPAND},
        aliases=_ALIASES,
    ),
)
@router.get(f"{TAGS}{{tag_id:uuid}}", include_in_schema=False)
async def show(request: Request) -> Response:
    """Show one tag."""
    tenant, expanded = (await tag_requests.caller(request)).tenant, _expanded(request)
    return document(
        await tag_requests.done(request, _one, tenant, tag_requests.tag_id(request), expanded)
    )


@router.patch(
    f"{TAGS}{{tag_id:uuid}}/",
    summary="Rename a tag",
    operation_id="renameTag",
    **operations.operation(
        body="Naming",
        answers={200: "Tag"},
        refused=(400, 401, 404, 413, 415, 429, 500, 503),
        shape="DetachError",
        path=_PATH,
        query=_TENANT,
    ),
)
@router.patch(f"{TAGS}{{tag_id:uuid}}", include_in_schema=False)
async def rename(request: Request) -> Response:
    """Give a tag another name; what carries it goes on carrying it."""
    caller, wanted = await tag_requests.caller(request), await tag_requests.naming(request)
    asked = (tag_requests.tag_id(request), wanted, caller.through("http"))
    renamed = await tag_requests.done(request, naming.rename, caller.tenant, *asked)
    return document(renamed)


def _one(connection: Connection, tenant: str, wanted: UUID, expanded: bool) -> dict[str, Any]:  # noqa: FBT001
    found = naming.find(connection, tenant, wanted)
    return tag_list.with_links(connection, [found])[0] if expanded else found


def _page(  # noqa: PLR0913  # a page has so many parts
    connection: Connection,
    wanted: TagFilter,
    cursor: str | None,
    limit: int,
    *,
    back: bool,
    offset: int,
    expanded: bool,
) -> tuple[int, list[dict[str, Any]]]:
    found = tag_list.page(connection, wanted, cursor, limit, back=back, offset=offset)
    count = tag_list.count(connection, wanted)
    return count, tag_list.with_links(connection, found) if expanded else found


def _place(one: dict[str, Any]) -> str:
    return quote(one["name"], safe="")  # a cursor is ASCII


def _cursor(text: str) -> str:
    name = unquote(text)
    if "\0" in name:
        raise pagination.invalid_cursor()
    return name


def _expanded(request: Request) -> bool:
    given = [value for name in EXPAND for value in request.query_params.getlist(name)]
    if any(value != "links" for value in given):
        raise Refusal(400, "Only links can be expanded: expand[]=links.")
    return bool(given)


def _search(request: Request) -> str:
    return _plain("search", pagination.parameter(request, "search") or "")


def _names(request: Request) -> list[str]:
    return [_plain("name", one) for one in request.query_params.getlist("name")]


def _plain(parameter: str, text: str) -> str:
    if "\0" in text:
        raise Refusal(400, f"{parameter} must have no null characters.")
    return text
