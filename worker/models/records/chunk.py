"""A chunk as recorded, its outcome, and what is reported of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from tagsweep.worker.models.ids import WIDTH


@dataclass(frozen=True, slots=True)
class Chunk:
    """The slice of a job that one transaction applies.

    It lists resources of one type (``ids``) or workspaces (``names``), sorted and distinct, or, of
    what ``"*"`` selects, it is a range (``span``).
    """

    number: int
    resource_type: int  #: 0: workspaces
    items: int
    ids: bytes = b""
    names: list[str] = field(default_factory=list)
    targets: list[int] | None = None  #: indexes among the job's targets; None: all of them
    span: tuple[str, str] | None = None  #: the lowest and the highest id, or name
    values: list[str] = field(default_factory=list)  #: of an undo: the value for each of ``names``
    tries: int = 0  #: how often it was put off
    pieces: int = 1  #: how many statements apply it, one after the other

    @property
    def size(self) -> int:
        """How many resources, or workspaces, it holds."""
        return len(self.ids) // WIDTH or len(self.names)

    @property
    def about_links(self) -> bool:
        """Whether it is about tags of resources; otherwise it is about tags of workspaces."""
        return self.resource_type != 0

    @property
    def is_range(self) -> bool:
        """Whether it is a range; otherwise it lists ``ids`` or ``names``."""
        return self.span is not None

    @property
    def ends(self) -> tuple[UUID, UUID]:
        """The lowest and the highest resource."""
        if self.span:
            return UUID(self.span[0]), UUID(self.span[1])
        return UUID(bytes=self.ids[:WIDTH]), UUID(bytes=self.ids[-WIDTH:])

    @classmethod
    def of(cls, row: Any) -> Chunk:
        """Return the chunk that a row of its table holds."""
        ids, names = row.ids or b"", row.names or []
        span = tuple(row.span) if row.span else None
        values = row.own_values or []
        own = (row.number, row.resource_type, row.items, ids, names, row.targets, span, values)
        return cls(*own, row.tries, row.pieces)

    def row(self, job_id: UUID, state: str) -> dict[str, Any]:
        """Return the columns of its row."""
        return {
            "job_id": job_id,
            "number": self.number,
            "state": state,
            "resource_type": self.resource_type,
            "ids": self.ids or None,
            "names": self.names or None,
            "targets": self.targets,
            "span": self.span,
            "own_values": self.values or None,
            "items": self.items,
        }

    def cut(self, start: int, end: int) -> Chunk:
        """Return the part from the resource at ``start`` up to, excluding, the one at ``end``."""
        ids, names = self.ids[start * WIDTH : end * WIDTH], self.names[start:end]
        items = self.items // self.size * (end - start)
        return replace(self, ids=ids, names=names, values=self.values[start:end], items=items)

    def listing(
        self, *, ids: bytes = b"", names: Sequence[str] = (), target: int | None = None
    ) -> Chunk:
        """Return some of a range as a list; ``target``: for that target alone."""
        targets = self.targets if target is None else [target]
        items = len(ids) // WIDTH or len(names)
        return replace(self, span=None, ids=ids, names=[*names], targets=targets, items=items)

    def about(self, targets: list[int]) -> Chunk:
        """Return the same resources for only some of the job's targets."""
        return replace(self, targets=targets, items=self.size * len(targets))

    def failures(self, places: list[str], code: str, reason: str) -> list[Failure]:
        """Return the failure of all items of these resources, or workspaces."""
        targets = [None] if self.targets is None else self.targets
        return [Failure(place, target, code, reason) for place in places for target in targets]


@dataclass(frozen=True, slots=True)
class Failure:
    """An item, or all items of one resource, that failed permanently."""

    place: str  #: the resource's UUID, or the workspace's id
    target: int | None  #: index among the job's targets; None: all of them
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Lists:
    """Part of a job's long lists: packed ids by number of their type, or names of workspaces."""

    ids: dict[int, bytes]
    names: tuple[str, ...]
    resources: dict[str, bytes] = field(default_factory=dict)  #: those of a map, by name


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a chunk's items; all others were absent."""

    changed: int = 0
    failed: int = 0
    failures: list[Failure] = field(default_factory=list)
    present: int = 0  #: of a merge: how many of the changed ones went where another one was

    def __add__(self, other: Outcome) -> Outcome:
        """Return the outcome of both."""
        failures = [*self.failures, *other.failures]
        changed, present = self.changed + other.changed, self.present + other.present
        return Outcome(changed, self.failed + other.failed, failures, present)


@dataclass(frozen=True, slots=True)
class Report:
    """The tag array of a completion event."""

    tags: list[dict[str, Any]]
    truncated: int | None = None  #: how many tags were left out; None: none
