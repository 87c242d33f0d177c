"""A job as recorded."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from tagsweep.worker.errors import ItemError
from tagsweep.worker.models import mapped
from tagsweep.worker.models.fields import EVERY
from tagsweep.worker.models.ids import RESOURCE_TYPES, number_of
from tagsweep.worker.models.mapped import MappedResources
from tagsweep.worker.models.records.chunk import Chunk

#: the final statuses after which a retry can do the rest
RETRYABLE = frozenset({"partial", "failed", "cancelled"})
#: the final statuses; before, a job is ``queued`` or ``running``
ENDS = frozenset({"succeeded", "partial", "failed", "cancelled", "rejected"})
#: the kinds of jobs that are about tags of workspaces
OF_WORKSPACES = frozenset({"delete", "set"})
#: the kinds that change a thing rather than add or remove it: so does the undo of such a job
CHANGING = frozenset({"set", "merge"})
#: why an undo cannot make a tag again that was dropped
NAME_TAKEN = "The tag cannot be made again: another one has its name by now."


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
    credential: UUID | None = None  #: of whoever asked for it; None: through another door
    present: int = 0  #: of a merge: how many of the changed items were on the other tag already
    reverts: str | None = None  #: of an undo of a ``set`` or ``merge``: that kind

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
    def acts_as(self) -> str:
        """The kind in whose words its counts and receipt are; ``adds`` decides for most undos."""
        return self.reverts or self.kind

    @property
    def about_links(self) -> bool:
        """Whether it is about tags of resources; otherwise it is about tags of workspaces."""
        return self.acts_as not in OF_WORKSPACES and not any(
            "key" in target for target in self.targets
        )

    def targets_of(self, chunk: Chunk) -> list[dict[str, Any]]:
        """Return the targets that ``chunk`` is about."""
        if chunk.targets is None:
            return self.targets
        return [self.targets[place] for place in chunk.targets]


def is_missing(target: dict[str, Any]) -> bool:
    """Return whether a matched tag does not exist yet; a mapped one may have no times."""
    return "created_at" in target and target["created_at"] is None


def is_dropped(target: dict[str, Any]) -> bool:
    """Return whether the job has dropped a matched tag; of an undo: whether it is to make it."""
    return bool(target.get("dropped"))
