"""The completion event, published when a job has ended (CloudEvents 1.0, JSON)."""

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


def stamp(moment: datetime) -> str:
    """Return ``moment`` as ISO 8601 with six fraction digits and a numeric offset."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def receipt_of(job_id: UUID) -> str:
    """Return the path of a job's receipt, relative to the gateway's URL."""
    return f"/api/v1/jobs/{job_id}/receipt"


Moment = Annotated[datetime, PlainSerializer(stamp)]


class Completion(BaseModel):
    """A job that has ended: the event's data, and the result that a Celery caller gets."""

    model_config = ConfigDict(frozen=True)

    job_id: UUID  #: the job's id
    kind: str  #: the kind of the job: `detach`, `delete`, `attach`, `merge`, `set`, `undo`
    tenant: str | None  #: whose job it is; null if the request named no usable tenant
    status: str  #: how it ended: `succeeded`, `partial`, `failed`, `cancelled`, `rejected`
    tags: list[dict[str, Any]]  #: the matched tags; of a delete, those removed; of a set, those set
    counts: dict[str, int]  #: how many items there were, and what became of them
    accepted_at: Moment  #: when the job was recorded
    started_at: Moment | None  #: when its first chunk was begun; null if none was
    finished_at: Moment  #: when it ended
    errors: list[dict[str, Any]]  #: the first 100 errors: `path`, `code`, `reason`
    request: dict[str, Any]  #: what was asked for: names, options, how long each list is
    errors_total: int | None = None  #: how many errors there are, if more than 100
    tags_truncated: int | None = None  #: how many more tags were removed than are listed
    undoes: str | None = None  #: the id of the undone job
    previewed: str | None = None  #: the id of the preview that was run
    dry_run: bool | None = None  #: True: the counts are what would be changed
    remaining: int | None = None  #: how many items still match what "*" selected
    requested_by: dict[str, Any] | None = None  #: who asked, through which door, proved or not
    note: str | None = None  #: why, in the words of whoever asked
    warnings: list[dict[str, Any]] | None = None  #: what matched nothing: `path`, `code`, `reason`

    def data(self) -> dict[str, Any]:
        """Return this as JSON, without fields that do not apply."""
        unset = {name for name in _OPTIONAL if getattr(self, name) is None}
        return self.model_dump(mode="json", exclude=unset)


#: the fields that not every job has
_OPTIONAL = tuple(
    name for name, field in Completion.model_fields.items() if not field.is_required()
)


class JobCompleted(BaseModel):
    """A job's completion number ``end``, from 1."""

    model_config = ConfigDict(frozen=True)

    end: int
    completion: Completion

    @property
    def id(self) -> str:
        """The event's id: the same for each delivery."""
        return f"{self.completion.job_id}.{self.end}"

    @property
    def type(self) -> str:
        """The event's type, which is its routing key on AMQP."""
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
    """Return the error for a waiting caller if ``data`` is of a job that did not succeed.

    None if the caller gets the data itself (``succeeded``, ``partial``).
    """
    endings = {"failed": JobFailed, "cancelled": JobCancelled, "rejected": JobRejected}
    ending = endings.get(data["status"])
    if ending is None:
        return None
    return ending(sentence(data["errors"]) or None)
