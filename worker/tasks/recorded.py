"""The recorded jobs that wait to be split: a sweep splits one of them before it applies chunks."""

from __future__ import annotations

import logging
from uuid import UUID

from tagsweep.worker import database
from tagsweep.worker.errors import Retryable, StoreBusy
from tagsweep.worker.jobs import scheduling
from tagsweep.worker.outages import Outage
from tagsweep.worker.tasks import dead_letters, start

log = logging.getLogger(__name__)

_outage = Outage(log, "Recorded jobs are split again")


def split_next() -> bool:
    """Split the job whose turn it is; return False if none waits, or if that failed.

    Does not raise: the job is put off, and neither other jobs nor open chunks wait with it.
    """
    try:
        with database.reading() as connection:
            job_id = scheduling.next_to_split(connection)
        return job_id is not None and _split(job_id)
    except Retryable as error:
        _outage.failed(error)
        return False


def _split(job_id: UUID) -> bool:
    try:
        start.start_recorded(job_id)
    except StoreBusy as error:
        start.put_off(job_id, error)
        return False
    except Retryable:
        raise
    except Exception as error:  # noqa: BLE001  # it is counted
        _stopped(job_id, error)
        return False
    _outage.over()
    return True


def _stopped(job_id: UUID, error: Exception) -> None:
    """Handle an error of our own that stopped a job's start: put it off, or fail the job."""
    if not dead_letters.is_final(f"start {job_id}", error):
        start.put_off(job_id, error)
        return
    log.error("Job %s is given up.", job_id, exc_info=error)
    dead_letters.fail(job_id, dead_letters.reason_of(error))
