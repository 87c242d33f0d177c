"""Jobs about the key/value tags of workspaces."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from tagsweep.worker.models.fields import MOST_NAMES, SelectedWorkspaces, WantedTag
from tagsweep.worker.models.jobs.job import Job


class DeleteJob(Job):
    """Delete key/value tags from the listed workspaces; system tags are listed separately."""

    kind = "delete"
    task = "tags.delete"
    lists = frozenset({"workspaces"})

    workspaces: SelectedWorkspaces
    tags: Annotated[list[WantedTag], Field(max_length=MOST_NAMES)] = []  # noqa: RUF012  # pydantic copies it
    sys_tags: Annotated[list[WantedTag], Field(max_length=MOST_NAMES)] = []  # noqa: RUF012  # pydantic copies it

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
