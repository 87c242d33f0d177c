"""Split a job's long lists into chunks: the slices that one transaction each applies.

ALL ids of a job are sorted before they are cut: a chunk is then one contiguous range of the key,
which the database reads once instead of descending the index for each id. Sorting only within
a chunk gains nothing: its ids would still lie all over the index.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from worker.models.resources import WIDTH, slices

#: most items (tag x resource) of a chunk: a job of 1,000 names stays in small transactions too
MOST_ITEMS = 200_000


def size(most_resources: int, targets: int, most_items: int | None = None) -> int:
    """Return how many resources a chunk holds where ``targets`` tags go off each of them."""
    items = min(MOST_ITEMS, most_items or MOST_ITEMS)
    return max(1, min(most_resources, items // max(1, targets)))


def split_ids(packed: bytes, most: int) -> Iterator[bytes]:
    """Yield the distinct ids of ``packed``, sorted over all, packed by ``most``."""
    ids = sorted(set(slices(packed)))
    for start in range(0, len(ids), most):
        yield b"".join(ids[start : start + most])


def split_names(names: Iterable[str], most: int) -> Iterator[list[str]]:
    """Yield the distinct ``names``, sorted over all, in lists of ``most``."""
    distinct = sorted(set(names))
    for start in range(0, len(distinct), most):
        yield distinct[start : start + most]


def ends(packed: bytes) -> tuple[bytes, bytes]:
    """Return the lowest and the highest id of a chunk."""
    return packed[:WIDTH], packed[-WIDTH:]
