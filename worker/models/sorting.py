"""Split a job's long lists into chunks, each the size of one transaction.

ALL entries of a job are sorted before they are cut: a chunk is then one contiguous range of the
key, which the database reads once instead of descending the index for each id. Sorting only within
a chunk gains nothing: its ids would still be spread over the whole index.

Lists are packed: their entries end to end, each ``width`` bytes (16 of an id, 36 of a name).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagsweep.worker.models.ids import WIDTH

#: the most items (tag x resource) in a chunk, so that jobs of 1,000 names have small ones too
MOST_ITEMS = 50_000
#: bytes of a workspace's id; a shorter one is padded with zeros
NAME_WIDTH = 36
#: entries in memory while sorted lists are merged: of all lists, and the least of each
WINDOWS, LEAST_WINDOW = 262_144, 1_024

#: reads entries of a sorted list as packed: (position, count); fewer at its end
Read = Callable[[int, int], bytes]
Entries = NDArray[np.bytes_]


def size(most_resources: int, targets: int, most_items: int | None = None) -> int:
    """Return how many resources fit into a chunk if each has ``targets`` items."""
    items = min(MOST_ITEMS, most_items or MOST_ITEMS)
    return max(1, min(most_resources, items // max(1, targets)))


def width(resource_type: int) -> int:
    """Return how many bytes an entry of a packed list takes; 0: the type of workspace names."""
    return WIDTH if resource_type else NAME_WIDTH


def distinct(packed: bytes, width: int = WIDTH) -> bytes:
    """Return the distinct entries of ``packed``, sorted."""
    return _sorted(_entries(packed, width)).tobytes()


def split(runs: Sequence[Read], limit: int, width: int = WIDTH) -> Iterator[bytes]:
    """Yield the distinct entries of all ``runs``, sorted, in packed lists of ``limit`` each.

    ``runs``: lists, each sorted and distinct. Only a window of each is in memory.
    """
    rest = _entries(b"", width)
    window = max(LEAST_WINDOW, WINDOWS // max(1, len(runs)))
    for stretch in _merged([_Run(read, width, window) for read in runs]):
        rest = np.concatenate([rest, stretch]) if len(rest) else stretch
        while len(rest) >= limit:
            yield rest[:limit].tobytes()
            rest = rest[limit:]
    if len(rest):
        yield rest.tobytes()


def reader(packed: bytes, width: int = WIDTH) -> Read:
    """Return a reader of a list that is in memory."""
    return lambda start, count: packed[start * width : (start + count) * width]


def pack_names(names: Iterable[str]) -> bytes:
    """Return ``names`` packed; each at most ``NAME_WIDTH`` letters, digits or hyphens."""
    return np.array(list(names), dtype=f"S{NAME_WIDTH}").tobytes()


def unpack_names(packed: bytes) -> list[str]:
    """Return the names that ``pack_names`` packed."""
    return [name.decode() for name in _entries(packed, NAME_WIDTH).tolist()]


class _Run:
    """A sorted list, read window by window."""

    def __init__(self, read: Read, width: int, size: int) -> None:
        self._read, self._width, self._size, self._at = read, width, size, 0
        self.window = _entries(b"", width)
        self.more = True

    def fill(self) -> None:
        if not len(self.window) and self.more:
            self.window = _entries(self._read(self._at, self._size), self._width)
            self._at += len(self.window)
            self.more = len(self.window) == self._size

    def take(self, bound: Any) -> Entries:
        """Remove and return the window's entries up to ``bound``; None: all."""
        end = len(self.window) if bound is None else int(self.window.searchsorted(bound, "right"))
        taken, self.window = self.window[:end], self.window[end:]
        return taken


def _merged(runs: list[_Run]) -> Iterator[Entries]:
    """Yield ascending stretches that together hold every entry of ``runs`` once."""
    while True:
        for run in runs:
            run.fill()
        runs = [run for run in runs if len(run.window)]
        if not runs:
            return
        # entries beyond a run's window are greater than the window's last entry
        bound = min((run.window[-1] for run in runs if run.more), default=None)
        taken = [run.take(bound) for run in runs]
        yield _sorted(np.concatenate(taken)) if len(taken) > 1 else taken[0]


def _sorted(entries: Entries) -> Entries:
    """Return the distinct ``entries``, sorted.

    ``stable`` is what makes it fast: runs that are sorted already are merged. ``np.unique`` does
    not take it, and needs seven times as long for random ids, thirty times for runs.
    """
    entries = np.sort(entries, kind="stable")
    first = np.ones(len(entries), dtype=bool)
    np.not_equal(entries[1:], entries[:-1], out=first[1:])
    return entries if first.all() else entries[first]


def _entries(packed: bytes, width: int) -> Entries:
    return np.frombuffer(packed, dtype=f"S{width}")
