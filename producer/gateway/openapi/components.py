"""The components of the gateway's schema: bodies, answers, errors, ways to authenticate."""

from __future__ import annotations

from typing import Any

from tagsweep.worker.models import views
from tagsweep.worker.models.fields import MOST_LIMIT
from tagsweep.worker.models.ids import RESOURCE_TYPES
from tagsweep.worker.models.jobs import KINDS
from tagsweep.worker.models.records import ENDS

STATUSES = ("queued", "running", *sorted(ENDS))

_TEXT = {"type": "string"}
_MOMENT = {"type": "string", "format": "date-time"}
_UUID = {"type": "string", "format": "uuid"}
_NUMBER = {"type": "integer", "minimum": 0}
_LIMIT = {**_NUMBER, "maximum": MOST_LIMIT}
#: something visible, and no NUL
_VISIBLE = r"^[^\u0000]*[^\s\u0000][^\u0000]*$"
_NAME = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": _VISIBLE}
_LISTS = {name: {"type": "array", "items": _UUID} for name in RESOURCE_TYPES}
_KEY = {"type": "string", "pattern": _VISIBLE}
_VALUE = {"type": "string", "pattern": r"^[^\u0000]*$"}


def _object(
    properties: dict[str, Any], *required: str, closed: bool = False, **more: Any
) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": properties, **more}
    if required:
        schema["required"] = list(required)
    return {**schema, "additionalProperties": False} if closed else schema


def _array(items: str, **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": {"$ref": f"#/components/schemas/{items}"}, **more}


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


def _page(of: str) -> dict[str, Any]:
    link = _nullable({"type": "string", "format": "uri"})
    properties = {"count": _NUMBER, "next": link, "previous": link, "results": _array(of)}
    return _object(properties, *properties)


_EVERY = {"const": "*", "description": "All that carry the tags when the job is accepted."}
_NAMES = {"names": {"type": "array", "items": _NAME, "maxItems": 1_000}}
_ATTACH = _NAMES | _LISTS
_DETACH = _NAMES | {name: {"anyOf": [some, _EVERY]} for name, some in _LISTS.items()}
_SOME_IDS = [{"properties": {name: {"minItems": 1}}, "required": [name]} for name in RESOURCE_TYPES]
_DELETE = {
    "workspaces": {
        "anyOf": [
            {"type": "array", "items": {"type": "string", "pattern": "^[A-Za-z0-9-]{1,36}$"}},
            _EVERY,
        ]
    },
    "tags": _array("WantedTag", maxItems=1_000),
    "sys_tags": _array("WantedTag", maxItems=1_000),
}
_OWN = {
    "tenant": {"type": "string", "pattern": "^[A-Za-z0-9-]{1,36}$"},
    "dry_run": _nullable({"type": "boolean", "description": "Only find out what would change."}),
    "max_affected": _nullable(
        {**_LIMIT, "description": "Change nothing at all if more items would be changed."}
    ),
}
_COUNTS = dict.fromkeys(("total", "failed", "unprocessed"), _NUMBER)
#: the kind of the job decides which two of them
_WORDS = dict.fromkeys(word for kind in KINDS for word in views.words(kind))
_PROGRESS = {"done": _NUMBER, "total": _NUMBER, "rate": {"type": "number", "minimum": 0}}
_JOB = {
    "id": _UUID,
    "kind": {"enum": list(KINDS)},
    "tenant": _TEXT,
    "status": {"enum": list(STATUSES)},
    "counts": _object(_COUNTS | dict.fromkeys(_WORDS, _NUMBER), *_COUNTS),
    "tags": {"type": "array", "items": {"type": "object"}},
    "progress": _object(_PROGRESS, *_PROGRESS),
    "accepted_at": _MOMENT,
    "started_at": _nullable(_MOMENT),
    "finished_at": _nullable(_MOMENT),
    "errors": _array("ItemError"),
}
_ITEM_ERROR = {"path": _TEXT, "code": _TEXT, "reason": _TEXT}
_WOULD = dict.fromkeys(("would_remove", "would_add"), _NUMBER)
_YES = {"const": True}
_SOMETIMES = {
    "paused": _YES,
    "waiting": _TEXT,
    "undoes": _UUID,
    "dry_run": _YES,
    "remaining": _NUMBER,
}
_PROBLEM = {"type": _TEXT, "title": _TEXT, "status": {"type": "integer"}, "detail": _TEXT}
_TAG = {
    "id": _UUID,
    "name": {**_TEXT, "maxLength": 255},
    "created_at": _MOMENT,
    "updated_at": _MOMENT,
}
_RESOURCE = {"id": _UUID, "tags": _array("Tag")}
_ERROR = {
    "error_code": {"anyOf": [{"type": "string", "minLength": 8, "maxLength": 36}, {"const": 403}]},
    "error_msg": {"type": "string", "minLength": 2, "maxLength": 512},
    "solution_msg": {"type": "string", "maxLength": 4096},
}

SCHEMAS: dict[str, Any] = {
    "Detach": _object(_DETACH, "names", closed=True),
    "Attach": _object(_ATTACH, "names", closed=True, anyOf=_SOME_IDS),
    "Tag": _object(_TAG, *_TAG),
    "Tags": _array("Tag"),
    "DetachError": _object(
        {"detail": _TEXT},
        description="`detail`, or the invalid fields, the items of a list by their index.",
    ),
    "WantedTag": _object({"key": _KEY, "value": _nullable(_VALUE)}, "key", closed=True),
    "BatchDelete": _object(
        {
            "tags": _array("WantedTag", minItems=1, maxItems=20),
            "sys_tags": _array("WantedTag", minItems=1, maxItems=1),
        },
        closed=True,
        anyOf=[{"required": ["tags"]}, {"required": ["sys_tags"]}],
    ),
    "BatchDeleteError": _object(_ERROR, "error_code", "error_msg"),
    "NewJob": {
        "anyOf": [
            _object({"kind": {"const": "detach"}, **_OWN, **_DETACH}, "kind", "names", closed=True),
            _object(
                {"kind": {"const": "attach"}, **_OWN, **_ATTACH},
                "kind",
                "names",
                closed=True,
                anyOf=_SOME_IDS,
            ),
            _object(
                {"kind": {"const": "delete"}, **_OWN, **_DELETE},
                "kind",
                "workspaces",
                closed=True,
                anyOf=[
                    {"properties": {name: {"minItems": 1}}, "required": [name]}
                    for name in ("tags", "sys_tags")
                ],
            ),
            _object({"kind": {"const": "undo"}, **_OWN, "job": _UUID}, "kind", "job", closed=True),
        ]
    },
    "Job": _object(_JOB | _SOMETIMES, *_JOB),
    "Jobs": _page("Job"),
    "Resource": _object(_RESOURCE, "id"),
    "Resources": _page("Resource"),
    "ItemError": _object(_ITEM_ERROR | _WOULD, *_ITEM_ERROR),
    "Problem": _object({**_PROBLEM, "errors": _array("ItemError")}, *_PROBLEM),
    "Health": _object({"status": _TEXT}, "status"),
}

COMPONENTS: dict[str, Any] = {
    "schemas": SCHEMAS,
    "securitySchemes": {
        "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
        "authToken": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"},
        "signature": {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "SDK-HMAC-SHA256 with an access key and a secret key, and X-Sdk-Date.",
        },
    },
}
