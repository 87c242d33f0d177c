"""What every kind of job has in common."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, ClassVar, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, ValidationError

from tagsweep.worker.errors import InvalidJob
from tagsweep.worker.models.fields import EVERY, DryRun, MaxAffected, Note, Strict, Tenant
from tagsweep.worker.models.item_errors import item_error
from tagsweep.worker.models.options.callback import Url
from tagsweep.worker.models.requester import UNKNOWN, RequestedBy, Requester
from tagsweep.worker.models.resources import HEAD


class Job(BaseModel):
    """What every kind of job has: its tenant, its options, and who asked for it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: ClassVar[str]
    task: ClassVar[str]  #: its Celery task
    lists: ClassVar[frozenset[str]]  #: the fields that may be millions long

    tenant: Tenant
    dry_run: DryRun = False
    max_affected: MaxAffected = None
    strict: Strict = False
    note: Note = None
    callback_url: Url | None = None  #: its end is told there, signed with the tenant's secret
    requested_by: RequestedBy = UNKNOWN  #: no part of what makes two jobs the same

    @classmethod
    def parse(cls, body: object) -> Self:
        """Return the job that ``body``, a decoded JSON value, describes.

        Raises InvalidJob with an error for each invalid field.
        """
        return cls._validated(body, None)

    @classmethod
    def parse_head(cls, head: Mapping[str, Any]) -> Self:
        """Return the job of ``head``, without its long lists; errors as above."""
        empty: dict[str, Any] = {
            name: [] for name in cls.lists if cls.model_fields[name].is_required()
        }
        job = cls._validated({**empty, **head}, HEAD)
        job.model_fields_set.difference_update(empty.keys() - head.keys())  # they are to come
        return job

    @classmethod
    def _validated(cls, body: object, context: str | None) -> Self:
        try:
            return cls.model_validate(body, context=context)
        except ValidationError as error:
            details = error.errors(include_url=False)
            raise InvalidJob([item_error(detail, cls) for detail in details]) from None

    def head(self) -> dict[str, Any]:
        """Return what was asked for except the long lists, as JSON."""
        left_out = {*self.lists, "requested_by"}
        head = self.model_dump(mode="json", exclude=left_out, exclude_defaults=True)
        return head | {name: EVERY for name in self.lists if getattr(self, name) == EVERY}

    def through(self, door: str, name: str | None, credential: UUID | None = None) -> Self:
        """Return the same job, as asked for by ``name``, with a credential, through ``door``."""
        proved = credential is not None
        return self.asked_by(Requester(name=name, door=door, proved=proved, credential=credential))

    def asked_by(self, requester: Requester) -> Self:
        """Return the same job, as asked for by ``requester``."""
        return self.model_copy(update={"requested_by": requester})

    def packed(self) -> dict[int, bytes]:
        """Return the ids of resources, packed, by number of their type."""
        return {}

    def packed_resources(self) -> dict[str, bytes]:
        """Return the ids of mapped resources, packed, by name."""
        return {}

    def workspace_ids(self) -> tuple[str, ...]:
        """Return the ids of workspaces."""
        return ()

    def fingerprint(self) -> bytes:
        """Return 32 bytes that are equal for bodies with the same meaning."""
        digest = hashlib.sha256(fingerprint_of(self.kind, self.head()))
        for number, ids in sorted(self.packed().items()):
            digest.update(b"%d:%d:" % (number, len(ids)))
            digest.update(ids)
        for name, ids in sorted(self.packed_resources().items()):
            digest.update(f"{name}:{len(ids)}:".encode())
            digest.update(ids)
        digest.update("\n".join(self.workspace_ids()).encode())
        return digest.digest()


def fingerprint_of(kind: str, body: object) -> bytes:
    """Return 32 bytes that identify ``body``, a JSON value, whatever the order of its keys."""
    text = json.dumps([kind, body], sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()
