"""Jobs about the key/value tags of workspaces."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from tagsweep.worker.models.fields import (
    MOST_NAMES,
    NewTag,
    SelectedWorkspaces,
    WantedTag,
    refuse,
)
from tagsweep.worker.models.jobs.job import Job

TWICE = "This key is given twice, with two values: it can have one."


class WorkspacesJob(Job):
    """A job about tags of the listed workspaces; system tags are listed separately."""

    lists = frozenset({"workspaces"})

    workspaces: SelectedWorkspaces
    tags: Annotated[list[Any], Field(max_length=MOST_NAMES)] = []  # noqa: RUF012  # pydantic copies it
    sys_tags: Annotated[list[Any], Field(max_length=MOST_NAMES)] = []  # noqa: RUF012  # pydantic copies it

    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        if not self.tags and not self.sys_tags:
            raise PydanticCustomError("required", "Give at least one tag in tags or sys_tags.")
        if len(self.tags) + len(self.sys_tags) > MOST_NAMES:
            raise PydanticCustomError(
                "max_length", "Ensure tags and sys_tags together have no more than 1000 elements."
            )
        return self

    def workspace_ids(self) -> tuple[str, ...]:
        """Return the ids of workspaces."""
        return () if isinstance(self.workspaces, str) else self.workspaces


class DeleteJob(WorkspacesJob):
    """Delete key/value tags from the listed workspaces; system tags are listed separately."""

    kind = "delete"
    task = "tags.delete"

    tags: Annotated[list[WantedTag], Field(max_length=MOST_NAMES)] = []  # noqa: RUF012  # pydantic copies it
    sys_tags: Annotated[list[WantedTag], Field(max_length=MOST_NAMES)] = []  # noqa: RUF012  # pydantic copies it


class SetJob(WorkspacesJob):
    """Give each of the listed workspaces these tags: a key that is there gets the new value."""

    kind = "set"
    task = "tags.set"

    tags: Annotated[list[NewTag], Field(max_length=MOST_NAMES)] = []  # noqa: RUF012  # pydantic copies it
    sys_tags: Annotated[list[NewTag], Field(max_length=MOST_NAMES)] = []  # noqa: RUF012  # pydantic copies it

    @field_validator("tags", "sys_tags")
    @classmethod
    def _one_value_for_each_key(cls, tags: list[NewTag]) -> list[NewTag]:
        values: dict[str, str] = {}
        wrong = [
            at for at, tag in enumerate(tags) if values.setdefault(tag.key, tag.value) != tag.value
        ]
        refuse([tag.key for tag in tags], wrong, "duplicate_key", TWICE)
        return tags
