"""The OpenAPI schema of the gateway: what operations have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import Response

from tagsweep.producer.gateway.errors import PROBLEM, TITLES, document
from tagsweep.producer.gateway.openapi.mapped import components
from tagsweep.producer.gateway.submission.transactions import View
from tagsweep.worker.mapping import file
from tagsweep.worker.models import formats

IDENTIFIER = {"type": "string", "pattern": "^[A-Za-z0-9-]{1,36}$"}
JOBS = "/api/v1/jobs/"
#: marks a parameter that is another spelling of one
ALIAS = "x-alias-of"
UUID_TEXT = {"type": "string", "format": "uuid"}

_PREFER = {
    "name": "Prefer",
    "in": "header",
    "description": "RFC 7240: `respond-async`, `wait=N`.",
    "schema": {"type": "string"},
}
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "The same key of the same tenant is the same job.",
    "schema": {"type": "string", "pattern": "^[!-~]([ -~]{0,253}[!-~])?$"},
}
#: the headers of operations that are done as a job
ASYNCHRONOUS = (_PREFER, _IDEMPOTENCY_KEY)

_HEADERS: dict[int, dict[str, str]] = {
    202: {"Location": "The job."},
    401: {"WWW-Authenticate": "How to authenticate."},
    405: {"Allow": "The methods that exist."},
    408: {"Location": "The job, which continues."},
    429: {"Retry-After": "Seconds."},
    503: {"Retry-After": "Seconds. Nothing was done, and nothing will be."},
}


def operation(  # noqa: PLR0913  # the parts of an operation
    *,
    answers: Mapping[int, str | None],
    refused: tuple[int, ...] = (),
    body: str | None = None,
    shape: str = "Problem",
    headers: tuple[Mapping[str, Any], ...] = (),
    path: Mapping[str, Mapping[str, Any]] | None = None,
    query: Mapping[str, Mapping[str, Any]] | None = None,
    aliases: Mapping[str, str] | None = None,
    security: str | None = "apiKey",
) -> dict[str, Any]:
    """Return the schema of a route: names of components, statuses, parameters.

    ``aliases``: other spellings of parameters, which the route knows and the document leaves out.
    """
    responses: dict[int | str, Any] = {}
    for status, name in answers.items():
        responses[status] = _answer(status, name)
    for status, described in _told(headers).items():
        if status in answers:
            responses[status]["headers"] |= described
    # 400: an unknown query parameter; 403: a key that lacks a scope, or the right admin
    for status in sorted({400, *([403] if security else []), *refused}):
        responses[status] = _answer(status, shape, PROBLEM if shape == "Problem" else _JSON)
    placed = [(name, "path", schema) for name, schema in (path or {}).items()]
    placed += [(name, "query", schema) for name, schema in (query or {}).items()]
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": where, "required": where == "path", "schema": schema}
        for name, where, schema in placed
    ]
    parameters += [
        {"name": other, "in": "query", ALIAS: name} for other, name in (aliases or {}).items()
    ]
    extra: dict[str, Any] = {
        "parameters": [*parameters, *headers],
        "security": _SECURITY.get(security or "", []),
    }
    if body:
        content = {_JSON: {"schema": _reference(body)}}
        extra["requestBody"] = {"required": True, "content": content}
    return {"responses": responses, "openapi_extra": extra, "response_model": None}


def _told(headers: tuple[Mapping[str, Any], ...]) -> dict[int, dict[str, Any]]:
    """Return the headers by which answers of an operation that is done as a job tell of it."""
    replayed = {"Idempotent-Replayed": _header("`true`: an earlier request was answered so.")}
    told = dict.fromkeys((200, 202, 204), replayed if _IDEMPOTENCY_KEY in headers else {})
    if _PREFER in headers:
        location = {"Content-Location": _header("The job that was done.")}
        told |= {status: location | told[status] for status in (200, 204)}
    return told


def _header(text: str) -> dict[str, Any]:
    return {"description": text, "schema": {"type": "string"}}


def accepted(view: View, headers: Mapping[str, str]) -> Response:
    """Return 202: the job is in the store and will be done."""
    location = {"Location": f"{JOBS}{view.job.id}"}
    return document(view.shown(), 202, {**headers, **_replay(view), **location})


def identified(view: View) -> dict[str, str]:
    """Return the headers of a synchronous answer: which job it tells of, and whether anew."""
    return {"Content-Location": f"{JOBS}{view.job.id}", **_replay(view)}


def _replay(view: View) -> dict[str, str]:
    return {"Idempotent-Replayed": "true"} if view.replayed else {}


def complete(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the whole document: FastAPI's, with our components.

    Without the other spellings of a parameter: a client generated from it would have it twice.
    """
    schema["servers"] = [{"url": "/", "description": "The gateway that this document is from."}]
    schema["components"] = components(file.load())
    for item in schema["paths"].values():
        for operation_ in item.values():
            parameters = operation_.get("parameters", [])
            operation_["parameters"] = [each for each in parameters if ALIAS not in each]
            operation_["responses"] = {
                status: answer
                for status, answer in operation_["responses"].items()
                if answer.get("description") != "Successful Response" or "content" not in answer
            }
    return schema


_JSON = "application/json"
_SECURITY: dict[str, list[dict[str, list[str]]]] = {
    "apiKey": [{"apiKey": []}],
    "authToken": [{"authToken": []}, {"signature": []}],
}


def _answer(status: int, name: str | None, media_type: str = "application/json") -> dict[str, Any]:
    answer: dict[str, Any] = {"description": TITLES.get(status) or _DONE[status]}
    answer["headers"] = {
        "X-Request-Id": {"schema": {"type": "string"}},
        **{header: _header(text) for header, text in _HEADERS.get(status, {}).items()},
    }
    if name in _PLAIN:
        answer["content"] = {media: {"schema": {"type": "string"}} for media in _PLAIN[name]}
    elif name:
        answer["content"] = {media_type: {"schema": _reference(name)}}
    return answer


_DONE = {
    200: "OK",
    201: "Created",
    202: "Accepted: it is recorded and will be done",
    204: "No Content",
}
#: answers that are not JSON
_PLAIN = {
    "Events": ("text/event-stream",),
    "Metrics": ("text/plain",),
    "Receipt": tuple(formats.FORMS),
}


def _reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
