"""The conditions of a job that removes links: when they were attached, what else must not be there.

They narrow what the job names or selects; whatever does not meet them is left alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field, PlainSerializer, PlainValidator, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError

from tagsweep.worker.errors import CONFLICTING
from tagsweep.worker.models.fields import MOST_NAMES, Name, text_of

#: the fields that are about time, and all of them
TIMES = ("attached_before", "attached_after")
FIELDS = (*TIMES, "unless")

NO_TIME = "Must be a time with a zone, like 2026-01-31T12:00:00Z."
NO_ZONE = "The time has no zone: add Z for UTC, or an offset like +02:00."
NOTHING_BETWEEN = "Must be later than attached_after, or no link can meet both."
REMOVED_AND_KEPT = "It is among names too: what carries it would be left alone, so nothing goes."


def _moment(value: object) -> datetime | None:
    if value is None:
        return None
    text = text_of(value)
    try:
        moment = datetime.fromisoformat(text if isinstance(text, str) else "")
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise PydanticCustomError("invalid_time", NO_TIME) from None
    raise PydanticCustomError("no_zone", NO_ZONE)


Moment = Annotated[
    datetime | None,
    PlainValidator(_moment),
    PlainSerializer(lambda moment: moment and moment.isoformat()),
]


class Conditional(BaseModel):
    """A job that may have conditions."""

    attached_before: Moment = None  #: exclusive
    attached_after: Moment = None  #: inclusive
    #: what carries one of these tags is left alone
    unless: Annotated[list[Name], Field(max_length=MOST_NAMES)] = []

    @model_validator(mode="after")
    def _can_be_met(self) -> Self:
        before, after = self.attached_before, self.attached_after
        wrong: list[tuple[tuple[str | int, ...], object, str]] = []
        if before and after and before <= after:
            wrong.append((("attached_before",), before, NOTHING_BETWEEN))
        for at, name in enumerate(self.unless):
            if name in getattr(self, "names", ()):
                wrong.append((("unless", at), name, REMOVED_AND_KEPT))
        details = [
            InitErrorDetails(type=PydanticCustomError(CONFLICTING, reason), loc=place, input=value)
            for place, value, reason in wrong
        ]
        if details:
            raise ValidationError.from_exception_data("conditions", details)
        return self


@dataclass(frozen=True, slots=True)
class Conditions:
    """The conditions of a recorded job."""

    attached_before: datetime | None
    attached_after: datetime | None
    unless: tuple[str, ...]  #: names

    def __bool__(self) -> bool:
        return bool(self.attached_before or self.attached_after or self.unless)


def of(head: Mapping[str, Any]) -> Conditions:
    """Return the conditions in the head of a job, which may be of any kind."""
    before, after = (_moment(head.get(name)) for name in TIMES)
    return Conditions(before, after, tuple(head.get("unless", ())))
