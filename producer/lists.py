"""The lists of a job as Python callers give them: any iterable, or "*" for all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from types import MappingProxyType
from typing import Any
from uuid import UUID

from tagsweep.worker.errors import InvalidJob
from tagsweep.worker.models.fields import EVERY
from tagsweep.worker.models.resources import kind_of

__all__ = [
    "EVERY",
    "NOT_GIVEN",
    "NO_RESOURCES",
    "Ids",
    "MappedIds",
    "is_every",
    "mapped",
    "plain",
    "size",
    "take",
    "texts",
]

#: ids of resources, or "*": all that carry the tags
Ids = Iterable[str | UUID]
#: in place of a list that the caller has not named at all
NOT_GIVEN: Ids = ()
#: the same of resources of a map
MappedIds = Iterable[str | int | UUID]
NO_RESOURCES: Mapping[str, MappedIds] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class MappedLists:
    """The lists of mapped resources, by name."""

    lists: dict[str, Iterator[Any]]
    every: dict[str, str]  #: those that are "*"
    kinds: dict[str, str]  #: the kind of each list's ids, or "*"


def mapped(resources: Mapping[str, MappedIds]) -> MappedLists:
    """Return the lists of mapped resources; the kind of each follows from its first id."""
    every = {name: EVERY for name, ids in resources.items() if is_every(ids)}
    found: dict[str, Iterator[Any]] = {}
    kinds = dict(every)
    for name, ids in resources.items():
        if name not in every:
            rest = texts(ids, f"resources/{name}")
            first = list(islice(rest, 1))
            kinds[name] = kind_of(first)
            found[name] = chain(first, rest)
    return MappedLists(found, every, kinds)


def is_every(values: object) -> bool:
    """Return whether ``values`` is "*", in place of a list."""
    return isinstance(values, str) and values == EVERY


def plain(values: Iterable[Any], name: str) -> list[Any]:
    """Return the list ``name``, whose mappings are dicts as JSON needs them."""
    return [dict(item) if isinstance(item, Mapping) else item for item in _iterable(values, name)]


def texts(values: MappedIds, name: str) -> Iterator[Any]:
    """Return an iterator over the list ``name``, whose UUIDs are text as in a message."""
    return (str(item) if isinstance(item, UUID) else item for item in _iterable(values, name))


def take(lists: Mapping[str, Iterator[Any]], limit: int) -> dict[str, list[Any]]:
    """Take up to ``limit`` items in all from ``lists``, in their order; return those not empty."""
    taken: dict[str, list[Any]] = {}
    for name, items in lists.items():
        if some := list(islice(items, limit)):
            taken[name] = some
            limit -= len(some)
    return taken


def size(lists: Mapping[str, list[Any]]) -> int:
    """Return how many items ``lists`` have in all."""
    return sum(map(len, lists.values()))


def _iterable(values: Any, name: str) -> Iterable[Any]:
    """Return ``values`` if they can be a list; a single text is a slip, not a list of letters."""
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        reason = f'Expected a list of items but got type "{type(values).__name__}".'
        raise InvalidJob([{"path": f"/{name}", "code": "not_a_list", "reason": reason}])
    return values
