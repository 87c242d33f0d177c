"""The components of the gateway's schema: bodies, answers, errors, ways to authenticate."""

from __future__ import annotations

from typing import Any

from tagsweep.producer.gateway.openapi import webhooks, workspaces
from tagsweep.producer.gateway.openapi.schema import (
    EVERY,
    LIMIT,
    LISTS,
    MOMENT,
    NAME,
    NUMBER,
    TEXT,
    UUID,
    array,
    nullable,
    object_,
    ref,
    some_of,
)
from tagsweep.worker.models import views
from tagsweep.worker.models.fields import MOST_NOTE
from tagsweep.worker.models.ids import RESOURCE_TYPES
from tagsweep.worker.models.jobs import KINDS
from tagsweep.worker.models.records import ENDS
from tagsweep.worker.models.requester import DOORS

STATUSES = ("queued", "running", *sorted(ENDS))


def _page(of: str) -> dict[str, Any]:
    link = nullable({"type": "string", "format": "uri"})
    properties = {"count": NUMBER, "next": link, "previous": link, "results": array(of)}
    return object_(properties, *properties)


_NAMES = {"names": {"type": "array", "items": NAME, "maxItems": 1_000}}
_ATTACH = _NAMES | LISTS
_DETACH = _NAMES | {name: {"anyOf": [some, EVERY]} for name, some in LISTS.items()}
_CONDITIONS = {
    "attached_before": nullable({**MOMENT, "description": "Only what was attached before."}),
    "attached_after": nullable({**MOMENT, "description": "Only what was attached then or later."}),
    "unless": {
        **_NAMES["names"],
        "description": "What carries one of these tags is left alone.",
    },
    "drop": nullable({"type": "boolean", "description": "Delete the tags left without links."}),
}
_MERGE = _DETACH | _CONDITIONS | {"names": {**_NAMES["names"], "minItems": 1}, "into": NAME}
_OWN = {
    "tenant": {"type": "string", "pattern": "^[A-Za-z0-9-]{1,36}$"},
    "dry_run": nullable({"type": "boolean", "description": "Only find out what would change."}),
    "max_affected": nullable(
        {**LIMIT, "description": "Change nothing at all if more items would be changed."}
    ),
    "strict": nullable(
        {"type": "boolean", "description": "Change nothing if any part of it matches nothing."}
    ),
    "note": nullable({**TEXT, "maxLength": MOST_NOTE, "pattern": r"^[^\u0000]*$"}),
    "callback_url": nullable({**webhooks.URL, "description": "Its end is told there, signed."}),
}
#: of a list; "*": all there are
#: no `const`: a Python client made by openapi-python-client would take a number for a wrong one
_SIZE = {"anyOf": [NUMBER, {"type": "string", "enum": ["*"]}]}
_COUNTS = dict.fromkeys(("total", "failed", "unprocessed"), NUMBER)
#: the kind of the job decides which two of them
_WORDS = dict.fromkeys(word for kind in KINDS for word in views.words(kind))
_PROGRESS = {"done": NUMBER, "total": NUMBER, "rate": {"type": "number", "minimum": 0}}
_JOB = {
    "id": UUID,
    "kind": {"type": "string", "enum": list(KINDS)},
    "tenant": TEXT,
    "status": {"type": "string", "enum": list(STATUSES)},
    "counts": ref("Counts"),
    "tags": {"type": "array", "items": {"anyOf": [ref("MatchedTag"), ref("RemovedTag")]}},
    "progress": ref("Progress"),
    "accepted_at": MOMENT,
    "started_at": nullable(MOMENT),
    "finished_at": nullable(MOMENT),
    "errors": array("ItemError"),
    "request": ref("Request"),
}
_REQUESTER = {
    "name": nullable(TEXT),
    "door": {"type": "string", "enum": list(DOORS)},
    "proved": {"type": "boolean"},
}
_AUDIT_ENTRY: dict[str, Any] = {"id": UUID, "time": MOMENT, "action": TEXT}
_AUDIT_ENTRY |= dict.fromkeys(("credential", "job"), nullable(UUID))
_AUDIT_ENTRY |= dict.fromkeys(("tenant", "kind", "target"), nullable(TEXT))
_AUDIT_ENTRY["requested_by"] = nullable(ref("Requester"))
_AUDIT_ENTRY["details"] = nullable({"type": "object"})
_ITEM_ERROR = {"path": TEXT, "code": TEXT, "reason": TEXT}
_WOULD = dict.fromkeys(("would_remove", "would_add", "would_set", "would_move"), NUMBER)
#: a member that is there only if it applies
_YES = {"type": "boolean", "description": "Present, and true, only if it applies."}
_SOMETIMES = {
    "paused": _YES,
    "waiting": TEXT,
    "undoes": UUID,
    "previewed": UUID,
    "dry_run": _YES,
    "remaining": NUMBER,
    "requested_by": ref("Requester"),
    "note": TEXT,
    "warnings": array("ItemError"),
}
_STATUS = {"type": "integer"}
_PROBLEM = {"type": TEXT, "title": TEXT, "status": _STATUS, "detail": TEXT}
_TAG: dict[str, dict[str, Any]] = {
    "id": UUID,
    "name": {**TEXT, "maxLength": 255},
    "created_at": MOMENT,
    "updated_at": MOMENT,
}
#: on request
_LINKS = {"links": NUMBER, "links_truncated": _YES}
#: a tag that an attach would create has neither an id nor times yet
_MATCHED_TAG = {name: nullable(schema) for name, schema in _TAG.items()} | {"name": _TAG["name"]}
_REMOVED_TAG = {
    "key": TEXT,
    "value": nullable(TEXT),
    "workspaces": NUMBER,
    "system": _YES,
}
_RESOURCE = {"id": UUID, "tags": array("Tag")}
_ERROR = {
    "error_code": {"anyOf": [{"type": "string", "minLength": 8, "maxLength": 36}, _STATUS]},
    "error_msg": {"type": "string", "minLength": 2, "maxLength": 512},
    "solution_msg": {"type": "string", "maxLength": 4096},
}


def _new(kind: str, body: dict[str, Any], *required: str, **more: Any) -> dict[str, Any]:
    """Return the schema of a job of this kind, as it is submitted."""
    own = {"kind": {"type": "string", "const": kind}, **_OWN, **body}
    return object_(own, "kind", *required, closed=True, **more)


SCHEMAS: dict[str, Any] = {
    **workspaces.SCHEMAS,
    "Detach": object_(_DETACH, "names", closed=True),
    "Attach": object_(_ATTACH, "names", closed=True, **some_of(*RESOURCE_TYPES)),
    "Tag": object_(_TAG, *_TAG),
    "Tags": array("Tag"),
    "Naming": object_({"name": NAME}, "name", closed=True),
    "ListedTag": object_(_TAG | _LINKS, *_TAG),
    "ListedTags": _page("ListedTag"),
    "DetachError": object_(
        {"detail": TEXT},
        description="`detail`, or the invalid fields, the items of a list by their index.",
    ),
    "BatchDeleteError": object_(_ERROR, "error_code", "error_msg"),
    "NewDetach": _new("detach", _DETACH | _CONDITIONS, "names"),
    "NewAttach": _new("attach", _ATTACH, "names", **some_of(*RESOURCE_TYPES)),
    "NewDelete": _new("delete", workspaces.DELETE, "workspaces", **some_of("tags", "sys_tags")),
    "NewSet": _new("set", workspaces.SET, "workspaces", **some_of("tags", "sys_tags")),
    "NewMerge": _new("merge", _MERGE, "names", "into"),
    "NewUndo": _new("undo", {"job": UUID}, "job"),
    "NewRun": object_({"note": _OWN["note"]}, closed=True),
    "NewJob": {
        "oneOf": [ref(f"New{kind.capitalize()}") for kind in KINDS],
        "discriminator": {
            "propertyName": "kind",
            "mapping": {kind: ref(f"New{kind.capitalize()}")["$ref"] for kind in KINDS},
        },
    },
    "Counts": object_(_COUNTS | dict.fromkeys(_WORDS, NUMBER), *_COUNTS),
    "Progress": object_(_PROGRESS, *_PROGRESS),
    "MatchedTag": object_(_MATCHED_TAG, *_MATCHED_TAG),
    "RemovedTag": object_(_REMOVED_TAG, "key", "value", "workspaces"),
    "Sizes": {
        "type": "object",
        "additionalProperties": _SIZE,
        "description": "How many entries each list was given; `*`: all there are.",
    },
    "Request": object_({"lists": ref("Sizes")}, "lists"),
    "Job": object_(_JOB | _SOMETIMES, *_JOB),
    "Jobs": _page("Job"),
    "AuditEntry": object_(_AUDIT_ENTRY, *_AUDIT_ENTRY),
    "AuditEntries": _page("AuditEntry"),
    "Resource": object_(_RESOURCE, "id"),
    "Resources": _page("Resource"),
    "Requester": object_(_REQUESTER, *_REQUESTER),
    "ItemError": object_(_ITEM_ERROR | _WOULD, *_ITEM_ERROR),
    "Problem": object_({**_PROBLEM, "errors": array("ItemError")}, *_PROBLEM),
    "Health": object_({"status": TEXT}, "status"),
    **webhooks.SCHEMAS,
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
