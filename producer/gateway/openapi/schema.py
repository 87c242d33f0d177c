"""Pieces of which the components of the gateway's schema are made."""

from __future__ import annotations

from typing import Any

from tagsweep.worker.models.fields import MOST_LIMIT
from tagsweep.worker.models.ids import RESOURCE_TYPES

TEXT = {"type": "string"}
MOMENT = {"type": "string", "format": "date-time"}
UUID = {"type": "string", "format": "uuid"}
NUMBER = {"type": "integer", "minimum": 0}
LIMIT = {**NUMBER, "maximum": MOST_LIMIT}
#: something visible, and no NUL
VISIBLE = r"^[^\u0000]*[^\s\u0000][^\u0000]*$"
NAME = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": VISIBLE}
LISTS = {name: {"type": "array", "items": UUID} for name in RESOURCE_TYPES}
KEY = {"type": "string", "pattern": VISIBLE}
VALUE = {"type": "string", "pattern": r"^[^\u0000]*$"}
EVERY = {
    "type": "string",
    "const": "*",
    "description": "All that carry the tags when the job is accepted.",
}


def object_(
    properties: dict[str, Any], *required: str, closed: bool = False, **more: Any
) -> dict[str, Any]:
    """Return the schema of an object; ``closed``: it has no other members."""
    schema: dict[str, Any] = {"type": "object", "properties": properties, **more}
    if required:
        schema["required"] = list(required)
    return {**schema, "additionalProperties": False} if closed else schema


def ref(name: str) -> dict[str, Any]:
    """Return a reference to a component."""
    return {"$ref": f"#/components/schemas/{name}"}


def array(items: str, **more: Any) -> dict[str, Any]:
    """Return the schema of an array of a component."""
    return {"type": "array", "items": ref(items), **more}


def some_of(*lists: str) -> dict[str, Any]:
    """Return that not all of these lists may be empty or missing.

    Said as what may not be: of an ``anyOf``, generators of clients make a class for each of them.
    """
    return {"not": {"properties": {name: {"maxItems": 0} for name in lists}}}


def nullable(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema that also takes null."""
    return {"anyOf": [schema, {"type": "null"}]}
