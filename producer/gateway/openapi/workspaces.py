"""The schemas of jobs and calls about tags of workspaces."""

from __future__ import annotations

from typing import Any

from tagsweep.producer.gateway.openapi import schema
from tagsweep.producer.gateway.openapi.schema import (
    KEY,
    NUMBER,
    TEXT,
    VALUE,
    array,
    nullable,
    object_,
)
from tagsweep.producer.gateway.requests.parsing import (
    MAX_KEY,
    MAX_SYS_TAGS,
    MAX_TAGS,
    MAX_VALUE,
    SYSTEM_KEY,
)
from tagsweep.producer.gateway.requests.workspace_filter import (
    MOST_MATCHES,
    MOST_TAGS,
    MOST_VALUES,
)
from tagsweep.worker.models.fields import MOST_KEY, MOST_VALUE

_IDENTIFIER = {"type": "string", "pattern": "^[A-Za-z0-9-]{1,36}$"}
_LISTED = {"type": "array", "items": _IDENTIFIER}
#: the ASCII characters that a new tag may not have. Which others are letters, no pattern says that
#: all readers of the document understand: `\w` is ASCII in JSON Schema, and Python has no `\p{L}`
_UNFIT = r"\u0000-\u0008\u000a-\u001f!-*,;<>?\[-^`{-\u007f"
_FIT = {
    "type": "string",
    "description": "Letters of any language, digits, spaces, tabs and `_ . : / = + - @`.",
}
_CREATED = {
    "key": {
        **_FIT,
        "minLength": 1,
        "maxLength": MAX_KEY,
        "pattern": rf"^[^{_UNFIT}]*[^\s{_UNFIT}][^{_UNFIT}]*$",
    },
    "value": {**_FIT, "maxLength": MAX_VALUE, "pattern": rf"^[^{_UNFIT}]*$"},
}
_SYSTEM = {"key": {"type": "string", "const": SYSTEM_KEY}, "value": _IDENTIFIER}
_FOUND_KEY = {**KEY, "maxLength": MAX_KEY}
_FOUND_VALUE = {**VALUE, "maxLength": MAX_VALUE}
_VALUES = {"type": "array", "items": _FOUND_VALUE}
_SHOWN = {"tags": array("WorkspaceTag"), "sys_tags": array("WorkspaceTag")}
_FOUND = {
    "resource_id": TEXT,
    "resource_detail": {"type": "object"},
    "resource_name": {**TEXT, "description": "Its id, where it has no name."},
    **_SHOWN,
}
_FILTER = {
    "without_any_tag": nullable(
        {"type": "boolean", "description": "Find those without any tag, and ignore `tags`."}
    ),
    "tags": nullable(
        {
            **array("TagFilter", minItems=1, maxItems=MOST_TAGS),
            "description": "All of these keys, each once.",
        }
    ),
    "sys_tags": nullable(array("SystemTagFilter", minItems=1, maxItems=1)),
    "matches": nullable(array("NameFilter", minItems=1, maxItems=MOST_MATCHES)),
}
DELETE = {
    "workspaces": {
        "anyOf": [
            _LISTED,
            schema.EVERY,
        ]
    },
    "tags": array("WantedTag", maxItems=1_000),
    "sys_tags": array("WantedTag", maxItems=1_000),
}
SET = {
    "workspaces": {
        "anyOf": [
            _LISTED,
            {**schema.EVERY, "description": "Every workspace there is when the job is accepted."},
        ]
    },
    "tags": array("NewTag", maxItems=1_000),
    "sys_tags": array("NewTag", maxItems=1_000),
}

SCHEMAS: dict[str, Any] = {
    "WantedTag": object_({"key": KEY, "value": nullable(VALUE)}, "key", closed=True),
    "BatchDelete": object_(
        {
            "tags": array("WantedTag", minItems=1, maxItems=20),
            "sys_tags": array("WantedTag", minItems=1, maxItems=1),
        },
        closed=True,
        minProperties=1,
    ),
    "NewTag": object_(
        {
            "key": {**KEY, "maxLength": MOST_KEY},
            "value": {**VALUE, "maxLength": MOST_VALUE},
        },
        "key",
        "value",
        closed=True,
    ),
    "CreatedTag": object_(_CREATED, *_CREATED, closed=True),
    "CreatedSystemTag": object_(_SYSTEM, *_SYSTEM, closed=True),
    "BatchCreate": object_(
        {
            "tags": nullable(array("CreatedTag", minItems=1, maxItems=MAX_TAGS)),
            "sys_tags": nullable(array("CreatedSystemTag", minItems=1, maxItems=MAX_SYS_TAGS)),
        },
        closed=True,
        minProperties=1,
    ),
    "WorkspaceTag": object_({"key": TEXT, "value": TEXT}, "key", "value"),
    "WorkspaceTags": object_(_SHOWN, *_SHOWN),
    "KeyValues": object_(
        {"key": TEXT, "values": {"type": "array", "items": TEXT}}, "key", "values"
    ),
    "ProjectTags": object_({"tags": array("KeyValues")}, "tags"),
    "TagFilter": object_(
        {
            "key": _FOUND_KEY,
            "values": {
                **_VALUES,
                "maxItems": MOST_VALUES,
                "description": "One of these; none: whatever its value.",
            },
        },
        "key",
        "values",
        closed=True,
    ),
    "SystemTagFilter": object_(
        {"key": _FOUND_KEY, "values": {**_VALUES, "minItems": 1, "maxItems": 1}},
        "key",
        "values",
        closed=True,
    ),
    "NameFilter": object_(
        {
            "key": {"type": "string", "const": "resource_name"},
            "value": {
                **_FOUND_VALUE,
                "description": "A part of the name, in whichever case; empty: only the empty name.",
            },
        },
        "key",
        "value",
        closed=True,
    ),
    "WorkspaceFilter": object_(_FILTER, closed=True),
    "FoundWorkspace": object_(_FOUND, *_FOUND),
    "FoundWorkspaces": object_(
        {"resources": array("FoundWorkspace"), "total_count": NUMBER}, "resources", "total_count"
    ),
    "WorkspaceCount": object_({"total_count": NUMBER}, "total_count"),
}
