"""The components of the gateway's schema: bodies, answers, errors, ways to authenticate."""

from __future__ import annotations

from typing import Any

from tagsweep.worker.models import views
from tagsweep.worker.models.fields import MOST_LIMIT, MOST_NOTE
from tagsweep.worker.models.ids import RESOURCE_TYPES
from tagsweep.worker.models.jobs import KINDS
from tagsweep.worker.models.records import ENDS
from tagsweep.worker.models.requester import DOORS

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


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _array(items: str, **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": _ref(items), **more}


def _some_of(*lists: str) -> dict[str, Any]:
    """Return that not all of these lists may be empty or missing.

    Said as what may not be: of an ``anyOf``, generators of clients make a class for each of them.
    """
    return {"not": {"properties": {name: {"maxItems": 0} for name in lists}}}


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


def _page(of: str) -> dict[str, Any]:
    link = _nullable({"type": "string", "format": "uri"})
    properties = {"count": _NUMBER, "next": link, "previous": link, "results": _array(of)}
    return _object(properties, *properties)


_EVERY = {
    "type": "string",
    "const": "*",
    "description": "All that carry the tags when the job is accepted.",
}
_NAMES = {"names": {"type": "array", "items": _NAME, "maxItems": 1_000}}
_ATTACH = _NAMES | _LISTS
_DETACH = _NAMES | {name: {"anyOf": [some, _EVERY]} for name, some in _LISTS.items()}
_CONDITIONS = {
    "attached_before": _nullable({**_MOMENT, "description": "Only what was attached before."}),
    "attached_after": _nullable(
        {**_MOMENT, "description": "Only what was attached then or later."}
    ),
    "unless": {
        **_NAMES["names"],
        "description": "What carries one of these tags is left alone.",
    },
}
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
    "strict": _nullable(
        {"type": "boolean", "description": "Change nothing if any part of it matches nothing."}
    ),
    "note": _nullable({**_TEXT, "maxLength": MOST_NOTE, "pattern": r"^[^\u0000]*$"}),
}
#: of a list; "*": all there are
#: no `const`: a Python client made by openapi-python-client would take a number for a wrong one
_SIZE = {"anyOf": [_NUMBER, {"type": "string", "enum": ["*"]}]}
_COUNTS = dict.fromkeys(("total", "failed", "unprocessed"), _NUMBER)
#: the kind of the job decides which two of them
_WORDS = dict.fromkeys(word for kind in KINDS for word in views.words(kind))
_PROGRESS = {"done": _NUMBER, "total": _NUMBER, "rate": {"type": "number", "minimum": 0}}
_JOB = {
    "id": _UUID,
    "kind": {"type": "string", "enum": list(KINDS)},
    "tenant": _TEXT,
    "status": {"type": "string", "enum": list(STATUSES)},
    "counts": _ref("Counts"),
    "tags": {"type": "array", "items": {"anyOf": [_ref("MatchedTag"), _ref("RemovedTag")]}},
    "progress": _ref("Progress"),
    "accepted_at": _MOMENT,
    "started_at": _nullable(_MOMENT),
    "finished_at": _nullable(_MOMENT),
    "errors": _array("ItemError"),
    "request": _ref("Request"),
}
_REQUESTER = {
    "name": _nullable(_TEXT),
    "door": {"type": "string", "enum": list(DOORS)},
    "proved": {"type": "boolean"},
}
_ITEM_ERROR = {"path": _TEXT, "code": _TEXT, "reason": _TEXT}
_WOULD = dict.fromkeys(("would_remove", "would_add"), _NUMBER)
#: a member that is there only if it applies
_YES = {"type": "boolean", "description": "Present, and true, only if it applies."}
_SOMETIMES = {
    "paused": _YES,
    "waiting": _TEXT,
    "undoes": _UUID,
    "previewed": _UUID,
    "dry_run": _YES,
    "remaining": _NUMBER,
    "requested_by": _ref("Requester"),
    "note": _TEXT,
    "warnings": _array("ItemError"),
}
_STATUS = {"type": "integer"}
_PROBLEM = {"type": _TEXT, "title": _TEXT, "status": _STATUS, "detail": _TEXT}
_TAG: dict[str, dict[str, Any]] = {
    "id": _UUID,
    "name": {**_TEXT, "maxLength": 255},
    "created_at": _MOMENT,
    "updated_at": _MOMENT,
}
#: on request
_LINKS = {"links": _NUMBER, "links_truncated": _YES}
#: a tag that an attach would create has neither an id nor times yet
_MATCHED_TAG = {name: _nullable(schema) for name, schema in _TAG.items()} | {"name": _TAG["name"]}
_REMOVED_TAG = {
    "key": _TEXT,
    "value": _TEXT,
    "workspaces": _NUMBER,
    "system": _YES,
}
_RESOURCE = {"id": _UUID, "tags": _array("Tag")}
_ERROR = {
    "error_code": {"anyOf": [{"type": "string", "minLength": 8, "maxLength": 36}, _STATUS]},
    "error_msg": {"type": "string", "minLength": 2, "maxLength": 512},
    "solution_msg": {"type": "string", "maxLength": 4096},
}


def _new(kind: str, body: dict[str, Any], *required: str, **more: Any) -> dict[str, Any]:
    """Return the schema of a job of this kind, as it is submitted."""
    own = {"kind": {"type": "string", "const": kind}, **_OWN, **body}
    return _object(own, "kind", *required, closed=True, **more)


SCHEMAS: dict[str, Any] = {
    "Detach": _object(_DETACH, "names", closed=True),
    "Attach": _object(_ATTACH, "names", closed=True, **_some_of(*RESOURCE_TYPES)),
    "Tag": _object(_TAG, *_TAG),
    "Tags": _array("Tag"),
    "Naming": _object({"name": _NAME}, "name", closed=True),
    "ListedTag": _object(_TAG | _LINKS, *_TAG),
    "ListedTags": _page("ListedTag"),
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
        minProperties=1,
    ),
    "BatchDeleteError": _object(_ERROR, "error_code", "error_msg"),
    "NewDetach": _new("detach", _DETACH | _CONDITIONS, "names"),
    "NewAttach": _new("attach", _ATTACH, "names", **_some_of(*RESOURCE_TYPES)),
    "NewDelete": _new("delete", _DELETE, "workspaces", **_some_of("tags", "sys_tags")),
    "NewUndo": _new("undo", {"job": _UUID}, "job"),
    "NewJob": {
        "oneOf": [_ref(f"New{kind.capitalize()}") for kind in KINDS],
        "discriminator": {
            "propertyName": "kind",
            "mapping": {kind: _ref(f"New{kind.capitalize()}")["$ref"] for kind in KINDS},
        },
    },
    "Counts": _object(_COUNTS | dict.fromkeys(_WORDS, _NUMBER), *_COUNTS),
    "Progress": _object(_PROGRESS, *_PROGRESS),
    "MatchedTag": _object(_MATCHED_TAG, *_MATCHED_TAG),
    "RemovedTag": _object(_REMOVED_TAG, "key", "value", "workspaces"),
    "Sizes": {
        "type": "object",
        "additionalProperties": _SIZE,
        "description": "How many entries each list was given; `*`: all there are.",
    },
    "Request": _object({"lists": _ref("Sizes")}, "lists"),
    "Job": _object(_JOB | _SOMETIMES, *_JOB),
    "Jobs": _page("Job"),
    "Resource": _object(_RESOURCE, "id"),
    "Resources": _page("Resource"),
    "Requester": _object(_REQUESTER, *_REQUESTER),
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
