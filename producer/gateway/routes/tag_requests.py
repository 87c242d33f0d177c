"""Requests about single tags: who asks, for which name, and the transaction that does it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from fastapi import Request

from tagsweep.producer.gateway import errors, state
from tagsweep.producer.gateway.auth.callers import Caller
from tagsweep.producer.gateway.errors import Refusal
from tagsweep.producer.gateway.requests import pagination, parsing
from tagsweep.worker import database
from tagsweep.worker.errors import InvalidJob, ItemError, NameTaken, NoSuchTag
from tagsweep.worker.models.tags import Naming

#: bytes of a body that has but a name
MOST_BODY = 16 << 10
#: the links of a page may be a billion
PATIENCE_S = 30.0
NOT_FOUND = "Not found."
MERGE = 'To join the two, POST /api/v1/jobs/ with {"kind": "merge"}.'


def tag_id(request: Request) -> UUID:
    """Return the tag's id in the path."""
    found: UUID = request.path_params["tag_id"]
    return found


async def caller(request: Request) -> Caller:
    """Return the caller; raises Refusal, also if the request names another tenant."""
    who = await state.of(request).caller_by_key(request)
    if pagination.parameter(request, "tenant") not in (None, who.tenant):
        raise Refusal(403, "The key belongs to another tenant.")
    return who


async def naming(request: Request) -> str:
    """Return the name in the body; raises Refusal (400, 413, 415)."""
    async with state.of(request).bodies.receive(request, MOST_BODY) as body:
        content = body.in_memory()
    try:
        return name(parsing.decode(content))
    except parsing.NotJson as error:
        raise Refusal(400, f"JSON parse error - {error}") from None


def name(body: object) -> str:
    """Return the name that ``body`` gives; raises Refusal (400)."""
    try:
        return Naming.parse(body).name
    except InvalidJob as invalid:
        raise errors.invalid(invalid) from None


async def done(request: Request, step: Callable[..., dict[str, Any]], *given: Any) -> Any:
    """Return what ``step`` returns, in a transaction of its own; raises Refusal (400, 404)."""
    try:
        return await state.of(request).store.patiently(PATIENCE_S, _transaction, step, *given)
    except NoSuchTag:
        raise Refusal(404, NOT_FOUND) from None
    except NameTaken as taken:
        reason = f"{taken} {MERGE}" if request.method == "PATCH" else str(taken)
        wrong: list[ItemError] = [{"path": "/name", "code": "unique", "reason": reason}]
        raise errors.invalid(InvalidJob(wrong)) from None


def _transaction(step: Callable[..., dict[str, Any]], *given: Any) -> dict[str, Any]:
    with database.transaction() as connection:
        return step(connection, *given)


async def read(request: Request, step: Callable[..., Any], *given: Any, **more: Any) -> Any:
    """Return what ``step`` reads, in a transaction of its own."""
    store = state.of(request).store
    return await store.patiently(PATIENCE_S, _reading, step, *given, **more)


def _reading(step: Callable[..., Any], *given: Any, **more: Any) -> Any:
    with database.reading() as connection:
        return step(connection, *given, **more)
