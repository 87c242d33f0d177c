"""The completion event: what is told when a job has come to an end (CloudEvents 1.0, JSON)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, PlainSerializer

from tagsweep.worker.errors import (
    JobCancelled,
    JobEnded,
    JobFailed,
    JobRejected,
    sentence,
)

MOST_ERRORS = 100
MOST_TAGS = 1_000
STREAM = "tagsweep:events"  #: the Redis stream
EXCHANGE = "tagsweep.events"  #: the AMQP topic exchange


def stamp(moment: datetime) -> str:
    """Return ``moment`` as ISO 8601 with six fraction digits and a numeric offset."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def receipt_of(job_id: UUID) -> str:
    """Return where the gateway has the receipt of a job, relative to its own URL."""
    return f"/api/v1/jobs/{job_id}/receipt"


Moment = Annotated[datetime, PlainSerializer(stamp)]


class Completion(BaseModel):
    """What is told of a job that has ended: the event's data and a Celery caller's result."""

    model_config = ConfigDict(frozen=True)

    job_id: UUID
    kind: str
    tenant: str | None
    status: str
    tags: list[dict[str, Any]]
    counts: dict[str, int]
    accepted_at: Moment
    started_at: Moment | None
    finished_at: Moment
    errors: list[dict[str, Any]]
    errors_total: int | None = None
    tags_truncated: int | None = None
    undoes: str | None = None  #: the job that was undone
    dry_run: bool | None = None  #: True: the counts tell what would be changed
    remaining: int | None = None  #: what carries the tags, where "*" selected, after all

    def data(self) -> dict[str, Any]:
        """Return this as JSON; what does not apply is left out."""
        optional = ("errors_total", "tags_truncated", "undoes", "dry_run", "remaining")
        unset = {name for name in optional if getattr(self, name) is None}
        return self.model_dump(mode="json", exclude=unset)


class JobCompleted(BaseModel):
    """The end number ``end`` (from 1) of a job."""

    model_config = ConfigDict(frozen=True)

    end: int
    completion: Completion

    @property
    def id(self) -> str:
        """The event's id: the same each time that it is delivered."""
        return f"{self.completion.job_id}.{self.end}"

    @property
    def type(self) -> str:
        """The event's type, on AMQP its routing key."""
        return f"tagsweep.{self.completion.kind}.completed"

    def envelope(self) -> dict[str, Any]:
        """Return the whole event as JSON."""
        done = self.completion
        return {
            "specversion": "1.0",
            "id": self.id,
            "source": "/tagsweep" + (f"/{done.tenant}" if done.tenant else ""),
            "type": self.type,
            "subject": str(done.job_id),
            "time": stamp(done.finished_at),
            "datacontenttype": "application/json",
            "dataref": receipt_of(done.job_id),
            "data": done.data(),
        }


def failure(data: dict[str, Any]) -> JobEnded | None:
    """Return what a waiting caller is to be told where ``data`` is of a job that did not succeed.

    None where its caller gets the data itself (``succeeded``, ``partial``).
    """
    endings = {"failed": JobFailed, "cancelled": JobCancelled, "rejected": JobRejected}
    ending = endings.get(data["status"])
    if ending is None:
        return None
    return ending(sentence(data["errors"]) or None)
