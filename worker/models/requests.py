"""What a job was asked for, as its row keeps it: every row gets these columns from here."""

from __future__ import annotations

from typing import Any

from tagsweep.worker.errors import ItemError
from tagsweep.worker.models.fields import identifies
from tagsweep.worker.models.ids import count, name_of
from tagsweep.worker.models.jobs import Job, fingerprint_of
from tagsweep.worker.models.records import Lists
from tagsweep.worker.models.requester import UNKNOWN
from tagsweep.worker.models.resources import ANY, ResourceIds

#: lists of mapped resources without an entry; of those of a stream only the kind is known yet
_NONE = (ResourceIds(ANY),)
EMPTY = "This list is empty, so that nothing is selected by it."


def columns(job: Job) -> dict[str, Any]:
    """Return the columns of what ``job`` is and who asked for it, without its lists' sizes."""
    return {
        "tenant": job.tenant,
        "kind": job.kind,
        "head": job.head(),
        "requested_by": job.requested_by.shown(),
        "credential": job.requested_by.credential,
        "warnings": warnings(job) or None,
    }


def unusable(kind: str, body: object) -> dict[str, Any]:
    """Return the columns of a message that is no valid job."""
    return {
        "tenant": tenant_of(body),
        "kind": kind,
        "fingerprint": fingerprint_of(kind, body),
        "head": {},
        "requested_by": UNKNOWN.shown(),
    }


def tenant_of(body: object) -> str | None:
    """Return the tenant that ``body``, perhaps no valid job, names; None if it names none."""
    tenant = body.get("tenant") if isinstance(body, dict) else None
    return tenant if identifies(tenant) else None


def sizes(job: Job) -> dict[str, int]:
    """Return how many entries each list of ``job`` has, duplicates included; "*" is no list."""
    mapped = {
        name: count(ids.packed)
        for name, ids in getattr(job, "resources", {}).items()
        if not isinstance(ids, str)
    }
    return sizes_of(Lists(job.packed(), job.workspace_ids())) | mapped


def sizes_of(lists: Lists) -> dict[str, int]:
    """Return how many entries each of ``lists`` has."""
    sizes = {name_of(number): count(packed) for number, packed in lists.ids.items()}
    return sizes | ({"workspaces": len(lists.names)} if lists.names else {})


def empty(job: Job) -> list[str]:
    """Return the long lists that ``job`` was given without an entry."""
    named = (job.lists & job.model_fields_set) - {"resources"}
    mapped = getattr(job, "resources", {})
    return [
        *sorted(name for name in named if not getattr(job, name)),
        *(f"resources/{name}" for name, ids in mapped.items() if ids in _NONE),
    ]


def warnings(job: Job) -> list[ItemError]:
    """Return a warning for each list that is empty."""
    names = ["names"] if getattr(job, "names", None) == [] else []
    wrong = [*names, *empty(job)]
    return [{"path": f"/{name}", "code": "empty_list", "reason": EMPTY} for name in wrong]
