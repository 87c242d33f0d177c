"""Jobs about the links between tags and resources."""

from __future__ import annotations

from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from tagsweep.worker.models import resources
from tagsweep.worker.models.fields import EVERY, MOST_NAMES, Drop, Name, SelectedIds
from tagsweep.worker.models.ids import RESOURCE_TYPES
from tagsweep.worker.models.jobs.job import Job
from tagsweep.worker.models.options.conditions import Conditional
from tagsweep.worker.models.resources import HEAD, Resources


class LinksJob(Job):
    """A job about the links between the tags ``names`` and the listed resources."""

    lists = frozenset({*RESOURCE_TYPES, "resources"})

    names: Annotated[list[Name], Field(max_length=MOST_NAMES)]
    sources: SelectedIds = b""
    transformations: SelectedIds = b""
    destinations: SelectedIds = b""
    visualizations: SelectedIds = b""
    layers: SelectedIds = b""
    folders: SelectedIds = b""
    tables: SelectedIds = b""
    volumes: SelectedIds = b""
    resources: Resources = {}  # noqa: RUF012  # pydantic copies it; those of a map

    def head(self) -> dict[str, Any]:
        """Return everything except the long lists, as JSON; of mapped ones, the kinds of ids."""
        kinds = resources.kinds(self.resources)
        return super().head() | ({"resources": kinds} if kinds else {})

    def packed(self) -> dict[int, bytes]:
        """Return the ids of all lists that are not empty."""
        found: dict[int, bytes] = {}
        for number, name in enumerate(RESOURCE_TYPES, 1):
            ids = getattr(self, name)
            if ids and ids != EVERY:
                found[number] = ids
        return found

    def packed_resources(self) -> dict[str, bytes]:
        """Return the ids of mapped resources, packed, by name."""
        return resources.packed(self.resources)


class DetachJob(LinksJob, Conditional):
    """Take the tags ``names`` off the listed resources; the tags themselves stay, unless told."""

    kind = "detach"
    task = "tags.detach"

    drop: Drop = False


class TagDeletion(DetachJob):
    """Take one tag off all that carries it, and drop it: the tag of this id, whatever its name.

    ``names`` is given when the job is recorded: the name that the tag has then.
    """

    tag: UUID


class AttachJob(LinksJob):
    """Put the tags ``names``, created if they are missing, on each of the listed resources."""

    kind = "attach"
    task = "tags.attach"

    @field_validator(*RESOURCE_TYPES, "resources", mode="before")
    @classmethod
    def _names_what_to_tag(cls, value: object) -> object:
        if value == EVERY or (isinstance(value, dict) and EVERY in value.values()):
            reason = 'An attach has nothing to select with "*": list the ids.'
            raise PydanticCustomError("unsupported", reason)
        return value

    @model_validator(mode="after")
    def _has_something_to_tag(self, info: ValidationInfo) -> Self:
        if info.context != HEAD and not (self.packed() or self.packed_resources()):
            raise PydanticCustomError(
                "required", f"Give at least one id, in any of {', '.join(RESOURCE_TYPES)}."
            )
        return self
