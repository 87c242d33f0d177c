"""What people do, in words that programs can rely on, and which of it is wanted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args
from uuid import UUID

#: that a job was asked for: these stand in the job itself
Creation = Literal["job.create", "job.preview", "job.run", "job.undo"]
#: what people do later, and to what is no job
Action = Literal[
    Creation,
    "job.cancel",
    "job.pause",
    "job.resume",
    "job.retry",
    "key.create",
    "key.rotate",
    "key.revoke",
    "key.reencrypt",
    "console.sign_in",
    "console.sign_in_failed",
    "console.sign_out",
    "tag.create",
    "tag.rename",
    "tag.delete",
    "webhook.create",
    "webhook.update",
    "webhook.delete",
    "webhook.rotate",
    "webhook.test",
    "webhook.redeliver",
]
ACTIONS: tuple[str, ...] = get_args(Action)


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """A filter on entries, of one tenant or, for those who may see them, of all."""

    tenant: str | None = None
    since: datetime | None = None  #: done then or later
    action: str | None = None
    by: str | None = None  #: the name of who did it
    job: UUID | None = None
