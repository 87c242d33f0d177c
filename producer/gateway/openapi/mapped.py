"""The components of a gateway with a map: its resources, and ids that are numbers."""

from __future__ import annotations

from typing import Any

from tagsweep.producer.gateway.openapi.components import COMPONENTS, SCHEMAS
from tagsweep.worker.mapping.file import Map
from tagsweep.worker.models.fields import EVERY
from tagsweep.worker.models.resources import HIGHEST, NUMBER

_NUMBER = {"type": "integer", "minimum": 0, "maximum": HIGHEST}
_UUID = {"type": "string", "format": "uuid"}
_EVERY = {"type": "string", "const": EVERY}
#: the schemas of jobs on links, and whether all that carry the tags can be meant
_JOBS = {"Detach": True, "NewDetach": True, "Attach": False, "NewAttach": False}
_TAGS = ("Tag", "MatchedTag")


def components(mapping: Map | None) -> dict[str, Any]:
    """Return the components of a gateway that works with this map, or with none."""
    if mapping is None:
        return COMPONENTS
    jobs = {name: _with_resources(name, mapping, every=every) for name, every in _JOBS.items()}
    numbered = {name: _numbered(name, "id", "name") for name in _TAGS}
    numbered["Resource"] = _numbered("Resource", "id")
    return {**COMPONENTS, "schemas": SCHEMAS | jobs | numbered}


def _with_resources(name: str, mapping: Map, *, every: bool) -> dict[str, Any]:
    # without "not", which wants one of the eight lists
    schema = {key: value for key, value in SCHEMAS[name].items() if key != "not"}
    lists = {of: _list(links.kind, every=every) for of, links in mapping.resources.items()}
    resources = {"type": "object", "properties": lists, "additionalProperties": False}
    return {**schema, "properties": {**schema["properties"], "resources": resources}}


def _list(kind: str, *, every: bool) -> dict[str, Any]:
    some = {"type": "array", "items": _NUMBER if kind == NUMBER else _UUID}
    return {"anyOf": [some, _EVERY]} if every else some


def _numbered(name: str, *required: str) -> dict[str, Any]:
    """Return the schema of a tag or a resource, whose id may be a number; a tag needs no times."""
    schema = SCHEMAS[name]
    either = {"anyOf": [schema["properties"]["id"], {"type": "integer"}]}
    return {
        **schema,
        "properties": {**schema["properties"], "id": either},
        "required": list(required),
    }
