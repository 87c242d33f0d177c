"""Lists of resources in tables of the operator's own: UUIDs, or whole numbers from 0.

A number is packed into 16 bytes like a UUID, the first 8 of them zero. The order of packed numbers
is that of the numbers: whatever sorts, cuts and keeps packed ids works on them too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from pydantic import PlainSerializer, PlainValidator, ValidationInfo

from tagsweep.worker.models.fields import EVERY, listed, refuse
from tagsweep.worker.models.ids import WIDTH, UnreadableIds, pack, slices, unpack

NUMBER, UUID_ = "bigint", "uuid"
#: the kind of a list without ids
ANY = "any"
KINDS = (NUMBER, UUID_, ANY)
HIGHEST = 2**63 - 1
#: what is wrong with an id of a list of each kind: code, and reason
WRONG = {
    NUMBER: ("invalid_number", f"Must be a whole number from 0 to {HIGHEST}."),
    UUID_: ("invalid_uuid", "Must be a valid UUID."),
}
#: the validation context of a job without its lists, of which only the kinds are known
HEAD = "head"

_DIGITS = re.compile(r"[+-]?[0-9]{1,25}")


@dataclass(frozen=True, slots=True)
class ResourceIds:
    """A list of ids of one kind, packed; of a job without its lists, the kind alone."""

    kind: str
    packed: bytes = b""

    def texts(self) -> Iterator[str]:
        """Yield each id as JSON has it."""
        if self.kind == NUMBER:
            return (str(number_of(item)) for item in slices(self.packed))
        return (f'"{text}"' for text in unpack(self.packed))


def kind_of(ids: Sequence[object]) -> str:
    """Return the kind of a list, which its first id decides; null and "*" are none."""
    if not ids:
        return ANY
    first = next((one for one in ids if one is not None and one != EVERY), None)
    number = isinstance(first, int | float) or (
        isinstance(first, str) and _DIGITS.fullmatch(first.strip()) is not None
    )
    return NUMBER if number else UUID_


def pack_kind(kind: str, ids: Sequence[object]) -> bytes:
    """Return ``ids`` of this kind, 16 bytes each; raises UnreadableIds if some are of none."""
    if kind != NUMBER:
        return pack(ids)
    numbers = [_number(value) for value in ids]
    faulty = [at for at, number in enumerate(numbers) if number is None]
    if faulty:
        raise UnreadableIds(faulty)
    return b"".join(number.to_bytes(WIDTH, "big") for number in numbers if number is not None)


def _number(value: object) -> int | None:
    if isinstance(value, str) and _DIGITS.fullmatch(value.strip()):
        value = int(value)
    elif isinstance(value, float) and value.is_integer():
        value = int(value)  # JSON has one number type: 3.0 is 3
    return value if type(value) is int and 0 <= value <= HIGHEST else None


def fits(kind: str, packed: bytes) -> bool:
    """Return whether packed ids, of whatever origin, can be of a kind."""
    if kind != NUMBER:
        return True
    # 8 bytes that are zero, and 8 of which the first is below 128, as a number up to HIGHEST has
    high = (packed[at::WIDTH] for at in range(WIDTH - 8))
    return not any(some.strip(b"\0") for some in high) and packed[8::WIDTH].isascii()


def number_of(packed: bytes) -> int:
    """Return the number that is packed."""
    return int.from_bytes(packed, "big")


def shown(kind: str, packed: bytes) -> str | int:
    """Return a packed id as people and programs read it."""
    return number_of(packed) if kind == NUMBER else str(UUID(bytes=packed))


def _select(value: object, info: ValidationInfo) -> ResourceIds | str:
    if isinstance(value, ResourceIds) or value == EVERY:
        return value
    if info.context == HEAD and value in KINDS:
        return ResourceIds(str(value))
    ids = listed(value)
    kind = kind_of(ids)
    try:
        return ResourceIds(kind, pack_kind(kind, ids))
    except UnreadableIds as error:
        refuse(ids, error.positions, *WRONG[kind])
        raise


def _written(selected: ResourceIds | str) -> Any:
    if isinstance(selected, str):
        return selected
    return [shown(selected.kind, item) for item in slices(selected.packed)]


#: ids of one kind, as a JSON list, or "*"
Selected = Annotated[
    ResourceIds | str, PlainValidator(_select), PlainSerializer(_written, when_used="always")
]
Resources = dict[str, Selected]


def kinds(resources: Resources) -> dict[str, str]:
    """Return the kind of the ids of each list; of one that selects everything, ``"*"``."""
    return {name: ids if isinstance(ids, str) else ids.kind for name, ids in resources.items()}


def packed(resources: Resources) -> dict[str, bytes]:
    """Return the ids of the lists that are not empty, packed, by name."""
    lists = resources.items()
    return {name: ids.packed for name, ids in lists if not isinstance(ids, str) and ids.packed}
