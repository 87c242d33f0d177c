"""Messages, and starts of jobs, that an error of our own stops time and again: given up.

A job then ends ``failed``; whatever else a message was, it is set aside. What the store refuses,
or a server that is away, is no such error.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from uuid import UUID

from tagsweep.worker.broker.delivery import Delivery
from tagsweep.worker.chunks import attempts
from tagsweep.worker.errors import (
    InvalidJob,
    Rejected,
    Retryable,
    words,
)
from tagsweep.worker.models.jobs import KINDS
from tagsweep.worker.models.parts import Part
from tagsweep.worker.redaction import redacted
from tagsweep.worker.tasks import acceptance, starting

log = logging.getLogger(__name__)

#: what an error of our own has stopped so often is not tried again
MOST_FAULTS = 5
FAULT = "An unexpected error stopped it ({error}); the worker's log has more."

#: the tasks whose id is a job's
_JOBS = frozenset(kind.task for kind in KINDS.values())


def give_up(delivery: Delivery, error: Exception) -> bool:
    """Take an error that stopped a message; True: it is given up, and that is committed.

    One that says that it will never work is not tried again, any other a few times more. Raises
    Retryable where the store does not take it.
    """
    if not isinstance(error, Rejected) and _count(delivery.task_id, error) < MOST_FAULTS:
        return False
    log.error("%s[%s] is given up.", delivery.task, delivery.task_id, exc_info=error)
    job_id, reason = _job_of(delivery), _reason(error)
    if job_id is not None:
        try:
            acceptance.give_up(job_id, reason, delivery)
        except Retryable:
            raise
        except Exception:  # not even a failed job can be made of it
            log.exception("%s[%s] is set aside.", delivery.task, delivery.task_id)
        else:
            return True
    acceptance.refuse(delivery, str(error) if isinstance(error, Rejected) else reason)
    return True


def give_up_start(job_id: UUID, error: Exception) -> None:
    """Take an error that stopped the start of a recorded job: it is put off, or the job fails."""
    if not isinstance(error, Rejected) and _count(f"start {job_id}", error) < MOST_FAULTS:
        starting.put_off(job_id, error)
        return
    log.error("Job %s is given up.", job_id, exc_info=error)
    acceptance.give_up(job_id, _reason(error))


def _count(what: str, error: Exception) -> int:
    log.warning("%s was stopped.", what, exc_info=error)
    return attempts.count(f"fault {what}"[:255])


def _job_of(delivery: Delivery) -> UUID | None:
    """Return the job that a message is, or is a part of; None: it is neither."""
    if delivery.task in _JOBS:
        return delivery.job_id
    if delivery.task == Part.task:
        with suppress(InvalidJob):
            return Part.parse(delivery.body).job_id
    return None


def _reason(error: Exception) -> str:
    return redacted(FAULT.format(error=words(error)))
