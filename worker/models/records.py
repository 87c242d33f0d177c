"""What a step hands to the next: a job and a chunk as recorded, and what became of a chunk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from tagsweep.worker.errors import ItemError
from tagsweep.worker.models.fields import EVERY
from tagsweep.worker.models.ids import RESOURCE_TYPES, WIDTH

#: the ends after which a job can be asked to do the rest
RETRYABLE = frozenset({"partial", "failed", "cancelled"})
#: the ends; a job that has none of them is ``queued`` or ``running``
ENDS = frozenset({"succeeded", "partial", "failed", "cancelled", "rejected"})


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A job as the store has it."""

    id: UUID
    tenant: str | None
    kind: str
    status: str
    fingerprint: bytes
    head: dict[str, Any]
    matched: list[dict[str, Any]] | None  #: what it acts on; None till it is split
    nonce: str | None
    parts_in: int
    parts: int | None
    open: int  #: chunks not yet closed
    total: int
    removed: int
    absent: int
    failed: int
    errors: list[ItemError]
    errors_total: int
    cancelling: bool
    paused: bool
    ends: int
    accepted_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    remaining: int | None  #: what still carried what ``"*"`` selected, when the job ended
    forgotten_at: datetime | None  #: when the record of what it removed was deleted
    adds: bool  #: an undo that puts back what was taken off
    as_of: datetime | None  #: an undo: the end of the job that it undoes
    waiting: str | None  #: why it is put off
    tries: int  #: how often it was put off since it last got on

    @property
    def ended(self) -> bool:
        """Whether it has come to an end."""
        return self.status in ENDS

    @property
    def complete(self) -> bool:
        """Whether all its parts are in, and it may be split."""
        return self.parts is not None and self.parts_in >= self.parts

    @property
    def unprocessed(self) -> int:
        """Items that nobody has tried."""
        return self.total - self.removed - self.absent - self.failed

    @property
    def dry_run(self) -> bool:
        """Whether it is only to be found out what the job would do."""
        return bool(self.head.get("dry_run"))

    @property
    def max_affected(self) -> int | None:
        """How many items it may change at most; None: any number."""
        most: int | None = self.head.get("max_affected")
        return most

    @property
    def selected(self) -> list[int]:
        """The types of resources of which it is about all, by number; 0: workspaces."""
        names = ("workspaces", *RESOURCE_TYPES)
        return [number for number, name in enumerate(names) if self.head.get(name) == EVERY]

    @property
    def targets(self) -> list[dict[str, Any]]:
        """What it acts on: tags of a detach, wanted keys of a delete."""
        return self.matched or []

    def targets_of(self, chunk: Chunk) -> list[dict[str, Any]]:
        """Return those of the targets that ``chunk`` is about."""
        if chunk.targets is None:
            return self.targets
        return [self.targets[place] for place in chunk.targets]


@dataclass(frozen=True, slots=True)
class Chunk:
    """The slice of a job that one transaction applies: sorted, distinct ids of one type."""

    number: int
    resource_type: int  #: 0: the ``names`` of workspaces
    items: int
    ids: bytes = b""
    names: list[str] = field(default_factory=list)
    targets: list[int] | None = None  #: places among the job's targets; None: all of them
    #: of what ``"*"`` selects, in place of ids: the lowest and the highest
    span: tuple[str, str] | None = None
    values: list[str] = field(default_factory=list)  #: of an undo, beside ``names``: each its own
    tries: int = 0  #: how often it was put off
    pieces: int = 1  #: the statements that it is applied by, one after the other

    @property
    def size(self) -> int:
        """How many resources, or workspaces, it holds."""
        return len(self.ids) // WIDTH or len(self.names)

    @classmethod
    def of(cls, row: Any) -> Chunk:
        """Return the chunk that a row of its table holds."""
        ids, names = row.ids or b"", row.names or []
        span = tuple(row.span) if row.span else None
        values = row.own_values or []
        put_off = (row.tries, row.pieces)
        own = (row.number, row.resource_type, row.items, ids, names, row.targets, span, values)
        return cls(*own, *put_off)

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
        """Return the part of it from resource ``start`` up to ``end``."""
        ids, names = self.ids[start * WIDTH : end * WIDTH], self.names[start:end]
        items = self.items // self.size * (end - start)
        return replace(self, ids=ids, names=names, values=self.values[start:end], items=items)

    def listing(
        self, *, ids: bytes = b"", names: Sequence[str] = (), target: int | None = None
    ) -> Chunk:
        """Return some of what a range spans, named; ``target``: for that one alone."""
        targets = self.targets if target is None else [target]
        items = len(ids) // WIDTH or len(names)
        return replace(self, span=None, ids=ids, names=[*names], targets=targets, items=items)

    def about(self, targets: list[int]) -> Chunk:
        """Return the same resources for some of the job's targets alone."""
        return replace(self, targets=targets, items=self.size * len(targets))

    def failures(self, places: list[str], code: str, reason: str) -> list[Failure]:
        """Return the failure of all its items of these resources, or workspaces."""
        targets = [None] if self.targets is None else self.targets
        return [Failure(place, target, code, reason) for place in places for target in targets]


@dataclass(frozen=True, slots=True)
class Failure:
    """An item, or all items of one resource, that failed for good."""

    place: str  #: the resource's UUID, or the workspace's id
    target: int | None  #: place among the job's targets; None: all of them
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Lists:
    """Some of a job's long lists: packed ids by number of their type, or names of workspaces."""

    ids: dict[int, bytes]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a chunk's items; the rest of them was absent."""

    removed: int = 0
    failed: int = 0
    failures: list[Failure] = field(default_factory=list)

    def __add__(self, other: Outcome) -> Outcome:
        """Return what became of both."""
        failures = [*self.failures, *other.failures]
        return Outcome(self.removed + other.removed, self.failed + other.failed, failures)


@dataclass(frozen=True, slots=True)
class Report:
    """The tag array of a completion event."""

    tags: list[dict[str, Any]]
    truncated: int | None = None  #: how many more there are
