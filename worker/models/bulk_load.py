"""The entries of a bulk load: a tag with its links, or a workspace with its tags."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError
from pydantic_core import PydanticCustomError

from tagsweep.worker.errors import InvalidJob
from tagsweep.worker.models.fields import (
    MOST_KEY,
    MOST_VALUE,
    Ids,
    Key,
    Name,
    Tenant,
    Value,
)
from tagsweep.worker.models.ids import RESOURCE_TYPES, number_of
from tagsweep.worker.models.item_errors import item_error


def _at_most(length: int) -> AfterValidator:
    def check(text: str) -> str:
        if len(text) > length:
            words = "Ensure this field has no more than {length} characters."
            raise PydanticCustomError("max_length", words, {"length": length})
        return text

    return AfterValidator(check)


class TagLinks(BaseModel):
    """A tag, created if it is missing, and the resources to put it on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tenant: Tenant
    name: Name
    sources: Ids = b""
    transformations: Ids = b""
    destinations: Ids = b""
    visualizations: Ids = b""
    layers: Ids = b""
    folders: Ids = b""
    tables: Ids = b""
    volumes: Ids = b""

    def packed(self) -> dict[int, bytes]:
        """Return the packed ids of all lists that are not empty, by number of their type."""
        lists = ((number_of(name), getattr(self, name)) for name in RESOURCE_TYPES)
        return {number: ids for number, ids in lists if ids}


class KeyValue(BaseModel):
    """A tag of a workspace."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: Annotated[Key, _at_most(MOST_KEY)]
    value: Annotated[Value, _at_most(MOST_VALUE)] = ""


def _distinct(tags: list[KeyValue]) -> list[KeyValue]:
    seen: set[str] = set()
    for tag in tags:
        if tag.key in seen:
            words = 'The key "{key}" is given more than once: a workspace has one value for it.'
            raise PydanticCustomError("duplicate_key", words, {"key": tag.key})
        seen.add(tag.key)
    return tags


KeyValues = Annotated[list[KeyValue], AfterValidator(_distinct)]


class WorkspaceTags(BaseModel):
    """A workspace, created if it is missing, and the tags to set on it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tenant: Tenant
    workspace: Tenant
    workspace_name: Name | None = None
    tags: KeyValues = []
    sys_tags: KeyValues = []

    def values(self) -> dict[tuple[str, bool], str]:
        """Return the tags: (key, system or not) to value."""
        own = {(tag.key, False): tag.value for tag in self.tags}
        return own | {(tag.key, True): tag.value for tag in self.sys_tags}


def parse(entry: object) -> TagLinks | WorkspaceTags:
    """Return the entry that ``entry``, a decoded JSON value, describes.

    Raises InvalidJob with an error for each invalid field.
    """
    is_workspace = isinstance(entry, dict) and "workspace" in entry
    model = WorkspaceTags if is_workspace else TagLinks
    try:
        return model.model_validate(entry)
    except ValidationError as error:
        details = error.errors(include_url=False)
        raise InvalidJob([item_error(detail, model) for detail in details]) from None
