"""The undo of an earlier job."""

from __future__ import annotations

from tagsweep.worker.models.fields import JobId
from tagsweep.worker.models.jobs.job import Job


class UndoJob(Job):
    """Revert what ``job``, an earlier one of the same tenant, has changed."""

    kind = "undo"
    task = "tags.undo"
    lists = frozenset()

    job: JobId
