"""A job and a chunk as recorded, and the outcome of a chunk: what one step hands to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from tagsweep.worker.errors import ItemError
from tagsweep.worker.models import mapped
from tagsweep.worker.models.fields import EVERY
from tagsweep.worker.models.ids import RESOURCE_TYPES, WIDTH, number_of
from tagsweep.worker.models.mapped import MappedResources

#: the final statuses after which a retry can do the rest
RETRYABLE = frozenset({"partial", "failed", "cancelled"})
#: the final statuses; before, a job is ``queued`` or ``running``
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
    matched: list[dict[str, Any]] | None  #: what it acts on; None until it is split
    nonce: str | None
    parts_in: int
    parts: int | None
    open: int  #: chunks not yet closed
    total: int
    changed: int  #: items removed, or added
    absent: int  #: items that needed no change
    failed: int
    errors: list[ItemError]
    errors_total: int
    cancelling: bool
    paused: bool
    ends: int
    accepted_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    remaining: int | None  #: how many selected items still matched at its end; None without ``"*"``
    forgotten_at: datetime | None  #: when the record of what it changed was deleted
    adds: bool  #: whether it is an undo that puts back what was removed
    as_of: datetime | None  #: of an undo: the end of the job that it undoes
    waiting: str | None  #: why it is put off
    tries: int  #: how often it was put off since it last progressed
    requested_by: dict[str, Any] | None  #: None: recorded before that was kept
    sizes: dict[str, int] | None  #: entries of each list; None: not known yet
    warnings: list[ItemError] | None
    mapped: list[dict[str, Any]] | None = None  #: its resources in tables of the operator's own
    sparing: list[str] | None = None  #: ids of the tags in ``unless``

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self.status in ENDS

    @property
    def complete(self) -> bool:
        """Whether all its parts have arrived, so that it can be split."""
        return self.parts is not None and self.parts_in >= self.parts

    @property
    def unprocessed(self) -> int:
        """Items that were never tried."""
        return self.total - self.changed - self.absent - self.failed

    @property
    def dry_run(self) -> bool:
        """Whether it only determines what it would do."""
        return bool(self.head.get("dry_run"))

    @property
    def max_affected(self) -> int | None:
        """How many items it may change at most; None: any number."""
        limit: int | None = self.head.get("max_affected")
        return limit

    @property
    def selected(self) -> list[int]:
        """The numbers of the types of which it selects all resources; 0: all workspaces."""
        lists = {"workspaces": 0} | {name: number_of(name) for name in RESOURCE_TYPES}
        lists |= self.resources.numbers
        given = self.head | self.head.get("resources", {})
        return sorted(number for name, number in lists.items() if given.get(name) == EVERY)

    @property
    def resources(self) -> MappedResources:
        """Its resources in tables of the operator's own, by number."""
        return mapped.read(self.mapped)

    @property
    def targets(self) -> list[dict[str, Any]]:
        """What it acts on: tags of a detach, wanted keys of a delete."""
        return self.matched or []

    @property
    def about_links(self) -> bool:
        """Whether it is about tags of resources; otherwise it is about tags of workspaces."""
        return self.kind != "delete" and not any("key" in target for target in self.targets)

    def targets_of(self, chunk: Chunk) -> list[dict[str, Any]]:
        """Return the targets that ``chunk`` is about."""
        if chunk.targets is None:
            return self.targets
        return [self.targets[place] for place in chunk.targets]


def is_missing(target: dict[str, Any]) -> bool:
    """Return whether a matched tag does not exist yet; a mapped one may have no times."""
    return "created_at" in target and target["created_at"] is None


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

    def __add__(self, other: Outcome) -> Outcome:
        """Return the outcome of both."""
        failures = [*self.failures, *other.failures]
        return Outcome(self.changed + other.changed, self.failed + other.failed, failures)


@dataclass(frozen=True, slots=True)
class Report:
    """The tag array of a completion event."""

    tags: list[dict[str, Any]]
    truncated: int | None = None  #: how many tags were left out; None: none
