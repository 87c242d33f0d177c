"""The components of webhooks."""

from __future__ import annotations

from typing import Any

from tagsweep.worker.models.jobs import KINDS
from tagsweep.worker.models.options.callback import MOST_URL
from tagsweep.worker.models.records import ENDS
from tagsweep.worker.webhooks.deliveries import STATES

_TEXT = {"type": "string"}
_NULL = {"type": "null"}
_MOMENT = {"type": "string", "format": "date-time"}
_UUID = {"type": "string", "format": "uuid"}
_NUMBER = {"type": "integer", "minimum": 0}
_LINK = {"anyOf": [{"type": "string", "format": "uri"}, _NULL]}
URL = {
    "type": "string",
    "maxLength": MOST_URL,
    "pattern": r"^https?://[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*(:[1-9][0-9]{0,3})?(/[!\"$-\[\]-~]*)?$",
}
_SECRET = {"type": "string", "pattern": "^whsec_[A-Za-z0-9+/]{44}$"}


def _some_of(names: list[str]) -> dict[str, Any]:
    items = {"type": "string", "enum": names}
    some = {"type": "array", "items": items, "minItems": 1, "description": "null: all of them."}
    return {"anyOf": [some, _NULL]}


def _object(properties: dict[str, Any], *required: str, closed: bool = False) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    schema |= {"required": list(required)} if required else {}
    return {**schema, "additionalProperties": False} if closed else schema


def _page(of: str) -> dict[str, Any]:
    results = {"type": "array", "items": {"$ref": f"#/components/schemas/{of}"}}
    properties = {"count": _NUMBER, "next": _LINK, "previous": _LINK, "results": results}
    return _object(properties, *properties)


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, _NULL]}


_FILTERS = {"kinds": _some_of(list(KINDS)), "statuses": _some_of(sorted(ENDS))}
_WEBHOOK = {
    "id": _UUID,
    "tenant": _TEXT,
    "url": _TEXT,
    **_FILTERS,
    "enabled": {"type": "boolean"},
    "off_reason": _or_null(_TEXT),
    "failing_since": _or_null(_MOMENT),
    "waiting": {**_NUMBER, "description": "How many deliveries wait."},
    "created_at": _MOMENT,
}
_ATTEMPT = {
    "at": _MOMENT,
    "seconds": {"type": "number"},
    "status": _or_null({"type": "integer"}),
    "reason": _or_null(_TEXT),
}
_DELIVERY = {
    "event_id": _TEXT,
    "job_id": _or_null(_UUID),
    "state": {"type": "string", "enum": list(STATES)},
    "created_at": _MOMENT,
    "delivered_at": _or_null(_MOMENT),
    "next_attempt_at": _or_null(_MOMENT),
    "attempts": {"type": "array", "items": _object(_ATTEMPT, *_ATTEMPT)},
}

SCHEMAS: dict[str, Any] = {
    "NewWebhook": _object(
        {"url": URL, **_FILTERS, "secret": _or_null(_SECRET)}, "url", closed=True
    ),
    "WebhookChange": _object({"url": URL, **_FILTERS, "enabled": {"type": "boolean"}}, closed=True),
    "Webhook": _object(_WEBHOOK, *_WEBHOOK),
    "WebhookWithSecret": _object({**_WEBHOOK, "secret": _TEXT}, *_WEBHOOK, "secret"),
    "Webhooks": _page("Webhook"),
    "Rotation": _object({"secret": _or_null(_SECRET)}, closed=True),
    "CallbackSecret": _object({"tenant": _TEXT, "secret": _TEXT}, "tenant", "secret"),
    "Delivery": _object(_DELIVERY, *_DELIVERY),
    "Deliveries": _page("Delivery"),
    "Since": _object({"since": _MOMENT}, "since", closed=True),
    "Redelivered": _object({"count": _NUMBER}, "count"),
}
