"""The merge of tags into another."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, ValidationInfo, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError

from tagsweep.worker.errors import CONFLICTING
from tagsweep.worker.models.fields import EVERY, MOST_NAMES, Drop, Name
from tagsweep.worker.models.ids import RESOURCE_TYPES
from tagsweep.worker.models.jobs.links import LinksJob
from tagsweep.worker.models.options.conditions import Conditional
from tagsweep.worker.models.resources import HEAD

NO_NAMES = "Give at least one tag to merge."
ITSELF = "It is among names too: a tag cannot be merged into itself."


class MergeJob(LinksJob, Conditional):
    """Make links to one of ``names`` links to ``into``, which is created if it is missing.

    Without any list, on resources of every type.
    """

    kind = "merge"
    task = "tags.merge"

    names: Annotated[list[Name], Field(max_length=MOST_NAMES)]
    into: Name
    drop: Drop = False

    @model_validator(mode="before")
    @classmethod
    def _means_every_type(cls, given: Any, info: ValidationInfo) -> Any:
        if info.context == HEAD or not isinstance(given, dict) or cls.lists & given.keys():
            return given
        return {**given, **dict.fromkeys(RESOURCE_TYPES, EVERY)}

    @model_validator(mode="after")
    def _is_of_two_tags(self) -> Self:
        wrong = None
        if not self.names:
            wrong = ("names", "required", NO_NAMES)
        elif self.into in self.names:
            wrong = ("into", CONFLICTING, ITSELF)
        if wrong:
            field, code, reason = wrong
            error = PydanticCustomError(code, reason)
            detail = InitErrorDetails(type=error, loc=(field,), input=getattr(self, field))
            raise ValidationError.from_exception_data("merge", [detail])
        return self
