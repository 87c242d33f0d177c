"""What a step hands to the next: a job and a chunk as recorded, and what became of a chunk."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from worker.errors import ItemError

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
    ends: int
    accepted_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

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
    def targets(self) -> list[dict[str, Any]]:
        """What it acts on: tags of a detach, wanted keys of a delete."""
        return self.matched or []


@dataclass(frozen=True, slots=True)
class Chunk:
    """The slice of a job that one transaction applies: sorted, distinct ids of one type."""

    number: int
    resource_type: int  #: 0: the ``names`` of workspaces
    items: int
    ids: bytes = b""
    names: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Lists:
    """Some of a job's long lists: packed ids by number of their type, or names of workspaces."""

    ids: dict[int, bytes]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a chunk's items; the rest of them was absent."""

    removed: int
    failed: int = 0
    errors: list[ItemError] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Report:
    """The tag array of a completion event."""

    tags: list[dict[str, Any]]
    truncated: int | None = None  #: how many more there are
