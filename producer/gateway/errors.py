"""What is refused: one exception, whatever shape a contract gives it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from tagsweep.worker.errors import (
    CONFLICTING,
    BrokerUnavailable,
    CannotRun,
    CannotUndo,
    Forgotten,
    InvalidJob,
    ItemError,
    NeedsApproval,
    NoSuchJob,
    NothingToRetry,
    NotRunning,
    Retryable,
    StoreRefused,
    StoreUnavailable,
)

#: seconds after which another attempt may work
RETRY_S = 2
PROBLEM = "application/problem+json"
CHALLENGE = 'Api-Key realm="tagsweep"'
NO_JOB = "There is no such job."

_ENCODE = json.JSONEncoder(separators=(",", ":")).encode

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
    421: "Misdirected Request",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


class Refusal(Exception):
    """The request is not carried out, or not answered with what it asked for."""

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
        self.members = dict(members or {})  #: what a program needs to continue (RFC 9457, 3.2)
        super().__init__(detail)


def invalid(error: InvalidJob) -> Refusal:
    """Return the refusal of a body that is not a valid job.

    422 if its fields are valid each, but not together: no schema could have told.
    """
    apart = any(one["code"] != CONFLICTING for one in error.errors)
    return Refusal(400 if apart else 422, "The request is not valid.", errors=error.errors)


def unknown(error: InvalidJob) -> Refusal:
    """Return the refusal of a valid job that names what does not exist, or may not be called."""
    detail = "The job names what does not exist, or may not be called."
    return Refusal(422, detail, errors=error.errors)


def unavailable(reason: str) -> Refusal:
    """Return the refusal that promises: nothing was done, and nothing will be."""
    return Refusal(503, f"{reason} Nothing was done.", headers={"Retry-After": str(RETRY_S)})


def down(error: Retryable) -> Refusal:
    """Return the refusal for a server that is down, or refuses: it names the one of the error."""
    if isinstance(error, (BrokerUnavailable, StoreRefused)):
        return unavailable(error.public)
    return unavailable(StoreUnavailable.public)


#: what may be wrong with the job that a request is about, and its status
JOB_ERRORS: dict[type[Exception], int] = {
    NeedsApproval: 403,
    NoSuchJob: 404,
    CannotRun: 409,
    CannotUndo: 409,
    NothingToRetry: 409,
    NotRunning: 409,
    Forgotten: 410,
}


def about_job(error: Exception) -> Refusal:
    """Return the refusal for one of JOB_ERRORS."""
    status = JOB_ERRORS[type(error)]
    if isinstance(error, NeedsApproval):
        return Refusal(status, str(error), errors=error.errors)
    return Refusal(status, NO_JOB if status == 404 else str(error))  # noqa: PLR2004  # as above


def check_approval(errors: list[ItemError], headers: Mapping[str, str]) -> None:
    """Raise Refusal (403) if these are the errors of a job that lacked approval."""
    for error in errors:
        if error["code"] == NeedsApproval.code:
            raise Refusal(403, error["reason"], headers=headers)


def problem(refusal: Refusal) -> Response:
    """Return ``refusal`` as a problem document (RFC 9457)."""
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


def document(
    value: object,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    media_type: str = "application/json",
) -> Response:
    """Return ``value`` as JSON in plain ASCII, which copes with a lone surrogate too."""
    body = _ENCODE(value).encode("ascii")
    return Response(body, status, dict(headers or {}), media_type)
