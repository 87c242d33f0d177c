"""What the statements of a batch are given, and what they return."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from tagsweep.worker.models.records import Chunk, JobRecord, Report

T = TypeVar("T")
#: what a statement that was sent has returned; the first call waits for it
Later = Callable[[], T]
#: a name of a tenant's: of a tag, or a workspace
Place = tuple[str | None, str]
#: chunks of jobs of one kind, each with its job; a job's chunks follow each other
Work = Sequence[tuple[JobRecord, Chunk]]


@dataclass(frozen=True, slots=True)
class Changes:
    """What the chunks of some jobs have changed."""

    #: items, by job and number of the chunk; chunks that changed nothing may be missing
    items: Counter[tuple[UUID, int]] = field(default_factory=Counter)
    #: the tenant of each tag of which a link was changed
    tags: dict[UUID, str | None] = field(default_factory=dict)
    #: by how many links each of these tags has more
    lines: Counter[UUID] = field(default_factory=Counter)
    #: of jobs on workspaces: what is reported at their end
    reports: dict[UUID, Report] = field(default_factory=dict)
    #: a moment by the database's clock at which all of it was done; None if nothing was
    done_at: datetime | None = None

    def __or__(self, other: Changes) -> Changes:
        """Return both changes, which are of the same tables."""
        lines = Counter(self.lines)
        lines.update(other.lines)
        moments = [one.done_at for one in (self, other) if one.done_at]
        return Changes(
            self.items + other.items,
            self.tags | other.tags,
            lines,
            self.reports | other.reports,
            max(moments, default=None),
        )
