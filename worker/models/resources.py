"""Lists of resources: their eight types, and their ids packed as 16 bytes each.

A million ``UUID`` objects cost seconds; a million ids packed end to end in one ``bytes`` cost 16 MB
and are validated, sorted and sent without an object of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from uuid import UUID

#: in the order of the detach contract; a type's number in the store is its place here, from 1
RESOURCE_TYPES = (
    "sources",
    "transformations",
    "destinations",
    "visualizations",
    "layers",
    "folders",
    "tables",
    "volumes",
)
WIDTH = 16

_CANONICAL = re.compile(r"(?:[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\n)*")
_BLOCK = 50_000


class UnreadableIds(ValueError):
    """Some ids are no UUIDs."""

    def __init__(self, positions: list[int]) -> None:
        self.positions = positions
        super().__init__(f"{len(positions)} ids are no UUIDs")


def number_of(resource_type: str) -> int:
    """Return the number that stands for ``resource_type`` in the store, from 1."""
    return RESOURCE_TYPES.index(resource_type) + 1


def name_of(number: int) -> str:
    """Return the type that ``number`` stands for."""
    return RESOURCE_TYPES[number - 1]


def pack(ids: Sequence[object]) -> bytes:
    """Return ``ids``, in any spelling that ``uuid.UUID`` accepts, as 16 bytes each, in their order.

    Raises UnreadableIds with the positions of all that are no UUIDs.
    """
    packed: list[bytes] = []
    faulty: list[int] = []
    for start in range(0, len(ids), _BLOCK):
        block = ids[start : start + _BLOCK]
        try:
            packed.append(_pack_canonical(block))
        except (TypeError, ValueError):
            for position, value in enumerate(block, start):
                one = _pack_one(value)
                packed.append(one)
                if not one:
                    faulty.append(position)
    if faulty:
        raise UnreadableIds(faulty)
    return b"".join(packed)


def _pack_canonical(ids: Sequence[object]) -> bytes:
    text = "\n".join(ids) + "\n" if ids else ""  # type: ignore[arg-type]  # a TypeError is the answer
    if not _CANONICAL.fullmatch(text) or text.count("\n") != len(ids):
        raise ValueError("not all of them are spelt canonically")
    return bytes.fromhex(text.replace("-", ""))


def _pack_one(value: object) -> bytes:
    try:
        return UUID(value).bytes if isinstance(value, str) else b""
    except ValueError:
        return b""


def slices(packed: bytes) -> Iterator[bytes]:
    """Yield each id of ``packed`` as its 16 bytes."""
    return (packed[at : at + WIDTH] for at in range(0, len(packed), WIDTH))


def unpack(packed: bytes) -> Iterator[str]:
    """Yield each id of ``packed`` in its canonical spelling."""
    return (str(UUID(bytes=one)) for one in slices(packed))


def count(packed: bytes) -> int:
    """Return how many ids ``packed`` holds."""
    return len(packed) // WIDTH
