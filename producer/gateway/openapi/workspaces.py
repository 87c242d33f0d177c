"""The schemas of jobs and calls about tags of workspaces."""

from __future__ import annotations

from typing import Any

from tagsweep.producer.gateway.openapi import schema
from tagsweep.producer.gateway.openapi.schema import KEY, VALUE, array, nullable, object_
from tagsweep.worker.models.fields import MOST_KEY, MOST_VALUE

_LISTED = {"type": "array", "items": {"type": "string", "pattern": "^[A-Za-z0-9-]{1,36}$"}}
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
}
