"""Jobs as their senders write them; each kind has its wire name and its limits.

Semantics: the detach contract and the batch delete contract (``docs/semantics.md`` lists all).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self
from uuid import UUID

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from tagsweep.worker.errors import InvalidJob
from tagsweep.worker.models import resources
from tagsweep.worker.models.fields import (
    EVERY,
    MOST_NAMES,
    DryRun,
    JobId,
    MaxAffected,
    Name,
    Note,
    SelectedIds,
    SelectedWorkspaces,
    Strict,
    Tenant,
    WantedTag,
)
from tagsweep.worker.models.ids import RESOURCE_TYPES
from tagsweep.worker.models.item_errors import item_error
from tagsweep.worker.models.options.conditions import Conditional
from tagsweep.worker.models.requester import UNKNOWN, RequestedBy, Requester
from tagsweep.worker.models.resources import HEAD, Resources


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
        requester = Requester(name=name, door=door, proved=proved, credential=credential)
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


class _LinksJob(Job):
    """A job about the links between the tags ``names`` and the listed resources."""

    lists = frozenset({*RESOURCE_TYPES, "resources"})

    names: Annotated[list[Name], Field(max_length=MOST_NAMES)]
    sources: SelectedIds = b""
    transformations: SelectedIds = b""
    destinations: SelectedIds = b""
    visualizations: SelectedIds = b""
    layers: SelectedIds = b""
    folders: SelectedIds = b""
    tables: SelectedIds = b""
    volumes: SelectedIds = b""
    resources: Resources = {}  #: those of a map

    def head(self) -> dict[str, Any]:
        """Return everything except the long lists, as JSON; of mapped ones, the kinds of ids."""
        kinds = resources.kinds(self.resources)
        return super().head() | ({"resources": kinds} if kinds else {})

    def packed(self) -> dict[int, bytes]:
        """Return the ids of all lists that are not empty."""
        lists = ((number, getattr(self, name)) for number, name in enumerate(RESOURCE_TYPES, 1))
        return {number: ids for number, ids in lists if ids and ids != EVERY}

    def packed_resources(self) -> dict[str, bytes]:
        """Return the ids of mapped resources, packed, by name."""
        return resources.packed(self.resources)


class DetachJob(_LinksJob, Conditional):
    """Take the tags ``names`` off the listed resources; the tags themselves stay."""

    kind = "detach"
    task = "tags.detach"


class AttachJob(_LinksJob):
    """Put the tags ``names``, created if they are missing, on each of the listed resources."""

    kind = "attach"
    task = "tags.attach"

    @field_validator(*RESOURCE_TYPES, "resources", mode="before")
    @classmethod
    def _names_what_to_tag(cls, value: object) -> object:
        if value == EVERY or (isinstance(value, dict) and EVERY in value.values()):
            reason = 'An attach has nothing to select with "*": list the ids.'
            raise PydanticCustomError("unsupported", reason)
        return value

    @model_validator(mode="after")
    def _has_something_to_tag(self, info: ValidationInfo) -> Self:
        if info.context != HEAD and not (self.packed() or self.packed_resources()):
            raise PydanticCustomError(
                "required", f"Give at least one id, in any of {', '.join(RESOURCE_TYPES)}."
            )
        return self


class DeleteJob(Job):
    """Delete key/value tags from the listed workspaces; system tags are listed separately."""

    kind = "delete"
    task = "tags.delete"
    lists = frozenset({"workspaces"})

    workspaces: SelectedWorkspaces
    tags: Annotated[list[WantedTag], Field(max_length=MOST_NAMES)] = []
    sys_tags: Annotated[list[WantedTag], Field(max_length=MOST_NAMES)] = []

    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        if not self.tags and not self.sys_tags:
            raise PydanticCustomError("required", "Give at least one tag in tags or sys_tags.")
        if len(self.tags) + len(self.sys_tags) > MOST_NAMES:
            raise PydanticCustomError(
                "max_length", "Ensure tags and sys_tags together have no more than 1000 elements."
            )
        return self

    def workspace_ids(self) -> tuple[str, ...]:
        """Return the ids of workspaces."""
        return () if isinstance(self.workspaces, str) else self.workspaces


class UndoJob(Job):
    """Revert what ``job``, an earlier one of the same tenant, has changed."""

    kind = "undo"
    task = "tags.undo"
    lists = frozenset()

    job: JobId


KINDS: dict[str, type[Job]] = {job.kind: job for job in (DetachJob, DeleteJob, AttachJob, UndoJob)}

#: the public tasks, one for each kind
JOB_TASKS = frozenset(job.task for job in KINDS.values())


def parse_job(body: Mapping[str, Any]) -> Job:
    """Return the job of any kind that ``body``, a JSON object with its ``kind``, describes.

    Raises InvalidJob.
    """
    fields = dict(body)
    kind = fields.pop("kind", None)
    if kind is None:
        reason = "This field is required."
        raise InvalidJob([{"path": "/kind", "code": "required", "reason": reason}])
    if not isinstance(kind, str) or kind not in KINDS:
        reason = f"Must be one of {', '.join(KINDS)}."
        raise InvalidJob([{"path": "/kind", "code": "invalid_choice", "reason": reason}])
    return KINDS[kind].parse(fields)


def fingerprint_of(kind: str, body: object) -> bytes:
    """Return 32 bytes that identify ``body``, a JSON value, whatever the order of its keys."""
    text = json.dumps([kind, body], sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()
