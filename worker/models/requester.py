"""Who asked for a job, and through which door.

What a message says of itself is a name that nobody has checked; the other doors know better.
"""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, StringConstraints

#: the doors through which jobs come in
DOORS = ("http", "console", "cli", "message", "python")
#: those that a message may come from
_OF_MESSAGES = ("message", "python")


def _storable(text: str) -> str:
    if "\0" in text:
        raise ValueError("Null characters are not allowed.")
    return text


class Requester(BaseModel):
    """Who asked for a job; ``proved``: by a credential."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: (
        Annotated[
            str,
            StringConstraints(strip_whitespace=True, min_length=1, max_length=255),
            AfterValidator(_storable),
        ]
        | None
    ) = None
    door: str = "message"
    proved: bool = False
    credential: UUID | None = None  #: that proves it; shown to nobody

    def shown(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {"name": self.name, "door": self.door, "proved": self.proved}


#: somebody who has sent a message and told nothing of themselves
UNKNOWN = Requester()
#: code that has called us, and told nothing of who it does this for
CODE = Requester(door="python")


def _unproved(given: Requester) -> Requester:
    door = given.door if given.door in _OF_MESSAGES else UNKNOWN.door
    return Requester(name=given.name, door=door)


#: as a message may have it: a name, which nothing proves
RequestedBy = Annotated[
    Requester,
    BeforeValidator(lambda value: UNKNOWN if value is None else value),
    AfterValidator(_unproved),
]
