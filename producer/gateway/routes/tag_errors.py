"""Errors under ``/api/v1/tags/``, in the shape that clients of *Detach Tags* parse."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from tagsweep.producer.gateway.errors import CHALLENGE, Refusal, document
from tagsweep.worker.errors import ItemError

PREFIX = "/api/v1/tags/"


def refuse(refusal: Refusal) -> Response:
    """Return ``refusal`` in the shape of Django REST Framework."""
    headers = dict(refusal.headers)
    if refusal.status == 401:  # noqa: PLR2004  # as that framework does
        headers.setdefault("WWW-Authenticate", CHALLENGE)
    body: dict[str, Any] = {"detail": refusal.detail}
    if refusal.errors:
        body = _by_field(refusal.errors)
    return document(body, refusal.status, headers)


def _by_field(errors: list[ItemError]) -> dict[str, Any]:
    """Return all faulty fields, the items of a list by their index."""
    fields: dict[str, Any] = {}
    for error in errors:
        steps = [_unescaped(step) for step in error["path"].split("/")[1:]]
        place = fields
        for step in steps[:-1]:
            inner = place.setdefault(step, {})
            place = inner if isinstance(inner, dict) else fields
        reasons = place.setdefault(steps[-1] if steps else "non_field_errors", [])
        if isinstance(reasons, list):
            reasons.append(error["reason"])
    return fields


def _unescaped(step: str) -> str:
    return step.replace("~1", "/").replace("~0", "~")
