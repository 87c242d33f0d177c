"""The request to run what a preview has shown."""

from __future__ import annotations

from typing import Any, ClassVar, Self
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict, ValidationError

from tagsweep.worker.errors import InvalidJob
from tagsweep.worker.models.fields import JobId, Note, Tenant
from tagsweep.worker.models.item_errors import item_error
from tagsweep.worker.models.jobs import fingerprint_of
from tagsweep.worker.models.requester import UNKNOWN, RequestedBy, Requester

#: of the ids of runs: a preview has one, whoever asks, and however often
NAMESPACE = UUID("0d7f6a44-5b07-4f0e-9f39-7a54c1b0e2d6")


class RunRequest(BaseModel):
    """The request to run ``job``, a preview."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: ClassVar[str] = "tags.run"

    tenant: Tenant
    job: JobId
    note: Note = None
    requested_by: RequestedBy = UNKNOWN

    @classmethod
    def parse(cls, body: object) -> Self:
        """Return the request that ``body`` describes; raises InvalidJob."""
        try:
            return cls.model_validate(body)
        except ValidationError as error:
            details = error.errors(include_url=False)
            raise InvalidJob([item_error(detail, cls) for detail in details]) from None

    def through(self, door: str, name: str | None, credential: UUID | None = None) -> Self:
        """Return the same request, as made by ``name`` through ``door``."""
        proved = credential is not None
        requester = Requester(name=name, door=door, proved=proved, credential=credential)
        return self.model_copy(update={"requested_by": requester})

    def body(self) -> dict[str, Any]:
        """Return it as JSON, but for who makes it."""
        return self.model_dump(mode="json", exclude={"requested_by"}, exclude_defaults=True)

    def fingerprint(self) -> bytes:
        """Return 32 bytes that are equal for requests to run the same preview."""
        return fingerprint_of("run", self.job)

    @property
    def preview(self) -> UUID:
        """The id of the preview."""
        return UUID(self.job)

    @property
    def job_id(self) -> UUID:
        """The id of the job that does what the preview has shown."""
        return uuid5(NAMESPACE, self.job)
