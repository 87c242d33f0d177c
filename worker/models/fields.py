"""The fields of jobs: what each accepts, and the error if it does not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date, time
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    StringConstraints,
)
from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError

from tagsweep.worker.models.ids import UnreadableIds, pack, unpack

MOST_NAMES = 1_000
MOST_NOTE = 1_000
#: characters of a key and a value that are set
MOST_KEY, MOST_VALUE = 255, 1_024
EVERY = "*"
#: the largest number that the store can hold
MOST_LIMIT = 2**63 - 1
NOT_BESIDE = 'To select everything, give "*" in place of the list; a list holds ids alone.'
NO_IDENTIFIER = "Must be 1 to 36 letters, digits or hyphens."

_IDENTIFIER = re.compile(r"[A-Za-z0-9-]{1,36}")


def text_of(value: object) -> object:
    """Return the text of an object that Celery's JSON carries: a UUID, a datetime, date or time.

    Returns any other value unchanged, but refuses bytes.
    """
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bytes | bytearray):
        raise PydanticCustomError("invalid", "Not a valid string.")
    return value


def _storable(text: str) -> str:
    if "\0" in text:
        raise PydanticCustomError("null_character", "Null characters are not allowed.")
    return text


def _not_blank(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("blank", "This field may not be blank.")
    return text


def listed(value: object) -> list[Any]:
    """Return ``value`` if it is a list; refuse anything else in the caller's terms."""
    if isinstance(value, list):
        return value
    if value is None:
        raise PydanticCustomError("null", "This field may not be null.")
    if value == EVERY:
        raise PydanticCustomError(
            "unsupported", 'There is nothing to select with "*": list the ids.'
        )
    kind = type(value).__name__
    raise PydanticCustomError(
        "not_a_list", 'Expected a list of items but got type "{kind}".', {"kind": kind}
    )


def fault(value: object, code: str, reason: str) -> tuple[str, str]:
    """Return the code and reason of an invalid list entry: those given, but for null and "*"."""
    if value is None:
        return "null", "This field may not be null."
    return ("every_and_ids", NOT_BESIDE) if value == EVERY else (code, reason)


def refuse(values: Sequence[object], positions: Iterable[int], code: str, reason: str) -> None:
    """Raise the error of the entries of a list at these positions, if there are any."""
    details = [
        InitErrorDetails(
            type=PydanticCustomError(*fault(values[at], code, reason)),
            loc=(at,),
            input=values[at],
        )
        for at in positions
    ]
    if details:
        raise ValidationError.from_exception_data("list", details)


def _pack_ids(value: object) -> bytes:
    if isinstance(value, bytes):  # already packed by ourselves: JSON has no bytes
        return value
    ids = listed(value)
    try:
        return pack(ids)
    except UnreadableIds as error:
        refuse(ids, error.positions, "invalid_uuid", "Must be a valid UUID.")
        raise


def _select_ids(value: object) -> bytes | str:
    return EVERY if value == EVERY else _pack_ids(value)


def _select_workspaces(value: object) -> tuple[str, ...] | str:
    return EVERY if value == EVERY else _workspaces(value)


def _workspaces(value: object) -> tuple[str, ...]:
    if isinstance(value, tuple):
        return value
    ids = [str(item) if isinstance(item, UUID) else item for item in listed(value)]
    wrong = [at for at, item in enumerate(ids) if not identifies(item)]
    refuse(ids, wrong, "invalid_id", NO_IDENTIFIER)
    return tuple(ids)


def identifies(value: object) -> bool:
    """Return whether ``value`` can be the id of a tenant or workspace."""
    return isinstance(value, str) and _IDENTIFIER.fullmatch(value) is not None


def _identifier(text: str) -> str:
    if not text:
        raise PydanticCustomError("blank", "This field may not be blank.")
    if not identifies(text):
        raise PydanticCustomError("invalid_id", NO_IDENTIFIER)
    return text


def _job_id(value: object) -> str:
    if value is None:
        raise PydanticCustomError("null", "This field may not be null.")
    try:
        text = text_of(value)
        return str(UUID(text if isinstance(text, str) else ""))
    except ValueError:
        raise PydanticCustomError("invalid_uuid", "Must be a valid UUID.") from None


def _yes_or_no(value: object) -> bool:
    if value is None or isinstance(value, bool):
        return bool(value)
    raise PydanticCustomError("invalid", "Must be true or false.")


def _limit(value: object) -> int | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # JSON has one number type: 3.0 is 3
    if isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value():
        value = int(value)
    if value is None or (type(value) is int and 0 <= value <= MOST_LIMIT):
        return value
    raise PydanticCustomError("invalid", "Must be a whole number, 0 or more.")


Tenant = Annotated[str, BeforeValidator(text_of), AfterValidator(_identifier)]
Name = Annotated[
    str,
    # inside text_of: outside, the value might not be text, and its length error another one
    StringConstraints(strip_whitespace=True, min_length=1, max_length=255),
    BeforeValidator(text_of),
    AfterValidator(_storable),
]
Key = Annotated[
    str, BeforeValidator(text_of), AfterValidator(_not_blank), AfterValidator(_storable)
]
Value = Annotated[str, BeforeValidator(text_of), AfterValidator(_storable)]
#: UUIDs, as a JSON list; kept as 16 bytes each
Ids = Annotated[bytes, PlainValidator(_pack_ids), PlainSerializer(lambda ids: list(unpack(ids)))]
#: the same, or "*": all resources that carry the tags
SelectedIds = Annotated[
    bytes | str,
    PlainValidator(_select_ids),
    PlainSerializer(lambda ids: ids if ids == EVERY else list(unpack(ids))),
]
#: ids of workspaces, as a JSON list
Workspaces = Annotated[tuple[str, ...], PlainValidator(_workspaces), PlainSerializer(list)]
SelectedWorkspaces = Annotated[
    tuple[str, ...] | str,
    PlainValidator(_select_workspaces),
    PlainSerializer(lambda names: names if names == EVERY else list(names)),
]
#: the id of a job, in canonical form
JobId = Annotated[str, PlainValidator(_job_id)]
#: only determine what the job would do
DryRun = Annotated[bool, PlainValidator(_yes_or_no)]
#: change nothing at all if more items than this would be changed
MaxAffected = Annotated[int | None, PlainValidator(_limit)]
#: drop the tags that are left without links
Drop = Annotated[bool, PlainValidator(_yes_or_no)]
#: change nothing at all, and end ``rejected``, if any part of the job matches nothing
Strict = Annotated[bool, PlainValidator(_yes_or_no)]
#: why the job is wanted, for whoever reads of it later
Note = (
    Annotated[
        str,
        StringConstraints(max_length=MOST_NOTE),
        BeforeValidator(text_of),
        AfterValidator(_storable),
    ]
    | None
)


class WantedTag(BaseModel):
    """A tag to delete: by key alone, or only if its value equals ``value``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: Key
    value: Value | None = None


class NewTag(BaseModel):
    """A tag to set: its key, and the value that it is to have."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: Annotated[Key, Field(max_length=MOST_KEY)]
    value: Annotated[Value, Field(max_length=MOST_VALUE)]
