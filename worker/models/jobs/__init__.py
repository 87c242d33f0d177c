"""Jobs as their senders write them; each kind has its wire name and its limits.

Semantics: the detach contract and the batch delete contract (``docs/semantics.md`` lists all).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tagsweep.worker.errors import InvalidJob
from tagsweep.worker.models.jobs.job import Job, fingerprint_of
from tagsweep.worker.models.jobs.links import AttachJob, DetachJob, TagDeletion
from tagsweep.worker.models.jobs.merge import MergeJob
from tagsweep.worker.models.jobs.undo import UndoJob
from tagsweep.worker.models.jobs.workspaces import DeleteJob, SetJob, WorkspacesJob

__all__ = [
    "JOB_TASKS",
    "KINDS",
    "AttachJob",
    "DeleteJob",
    "DetachJob",
    "Job",
    "MergeJob",
    "SetJob",
    "TagDeletion",
    "UndoJob",
    "WorkspacesJob",
    "fingerprint_of",
    "parse_job",
]

KINDS: dict[str, type[Job]] = {
    job.kind: job
    for job in (
        DetachJob,
        DeleteJob,
        AttachJob,
        MergeJob,
        SetJob,
        UndoJob,
    )
}

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
