"""What is refused: one exception, whatever the shape in which a contract tells it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from tagsweep.worker.errors import (
    BrokerUnavailable,
    InvalidJob,
    ItemError,
    Retryable,
    StoreRefused,
    StoreUnavailable,
)

#: seconds after which another try may work
RETRY_S = 2
PROBLEM = "application/problem+json"

TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    408: "Request Timeout",
    409: "Conflict",
    410: "Gone",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


class Refusal(Exception):
    """The request is not done, or not answered with what it asked for."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        errors: list[ItemError] | None = None,
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        self.status = status
        self.detail = detail  #: one sentence, for people
        self.errors = errors or []  #: what is wrong with parts of the body
        self.headers = dict(headers or {})
        self.members = dict(members or {})  #: what a program needs to go on (RFC 9457, 3.2)
        super().__init__(detail)


def invalid(error: InvalidJob) -> Refusal:
    """Return the refusal of a body that is no valid job."""
    return Refusal(400, "The request is not valid.", errors=error.errors)


def unavailable(reason: str) -> Refusal:
    """Return the refusal that promises: nothing was done, and nothing will be."""
    return Refusal(503, f"{reason} Nothing was done.", headers={"Retry-After": str(RETRY_S)})


def down(error: Retryable) -> Refusal:
    """Return the refusal for what a server that is down, or refuses, has let nobody begin."""
    if isinstance(error, (BrokerUnavailable, StoreRefused)):
        return unavailable(error.public)
    return unavailable(StoreUnavailable.public)


def problem(refusal: Refusal) -> Response:
    """Return ``refusal`` as RFC 9457 has it."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": TITLES[refusal.status],
        "status": refusal.status,
        "detail": refusal.detail,
        **refusal.members,
    }
    if refusal.errors:
        body["errors"] = refusal.errors
    headers = dict(refusal.headers)
    if refusal.status == 401:  # noqa: PLR2004  # as RFC 9110 asks
        headers.setdefault("WWW-Authenticate", CHALLENGE)
    return document(body, refusal.status, headers, PROBLEM)


CHALLENGE = 'Api-Key realm="tagsweep"'


def document(
    value: object,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    media_type: str = "application/json",
) -> Response:
    """Return ``value`` as JSON: plain ASCII, so that a lone surrogate is no obstacle either."""
    body = json.dumps(value, separators=(",", ":")).encode("ascii")
    return Response(body, status, dict(headers or {}), media_type)
