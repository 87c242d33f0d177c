"""Messages that cannot be processed: their job ends ``failed``, or they become dead letters.

A message is given up if it keeps crashing workers, or if an error of our own keeps stopping it.
What the store refuses, or a server that cannot be reached, is no such error.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from uuid import UUID

from tagsweep.worker import database
from tagsweep.worker.broker import results
from tagsweep.worker.broker.delivery import Delivery
from tagsweep.worker.chunks import poison
from tagsweep.worker.errors import InvalidJob, JobRejected, Rejected, Retryable, words
from tagsweep.worker.jobs import dead_letters, dispatch, lifecycle, recording
from tagsweep.worker.models.jobs import JOB_TASKS
from tagsweep.worker.models.parts import Part
from tagsweep.worker.redaction import redacted
from tagsweep.worker.tasks import replies

log = logging.getLogger(__name__)

#: a message that an error of our own has stopped so often is not tried again
MOST_FAULTS = 5

FAULT = "An unexpected error stopped it ({error}); see the worker's log."
TAKEN = "This id already belongs to another job: send this one under a different id."
POISON = "Workers crashed {tries} times while handling its message; it was failed."


@contextmanager
def counted(delivery: Delivery) -> Iterator[str | None]:
    """Do the block as one attempt at a message; an error in it is no crash of the worker.

    Yields why the message is to be given up if too many workers crashed with it, else None.
    """
    if not delivery.redelivered:
        yield None
        return
    tries = poison.count(delivery.task_id)
    try:
        yield POISON.format(tries=tries) if tries > poison.MOST_TRIES else None
    except Exception:
        poison.survived(delivery.task_id)
        raise


def refuse(delivery: Delivery, reason: str) -> None:
    """Keep a message that no job comes of as a dead letter, and tell its sender if possible.

    If its id belongs to another job, nothing is stored in a shared result backend: it would be
    taken for that job's result.
    """
    with database.transaction() as connection:
        body = delivery.body
        dead_letters.put(connection, delivery.task, delivery.task_id, body, reason)
    result = reason != TAKEN or results.are_messages()
    replies.answer(delivery, JobRejected(reason), result=result)


def fail(job_id: UUID, reason: str, delivery: Delivery | None = None) -> None:
    """End a job ``failed`` that could not start; recorded first if only its message exists."""
    with database.transaction() as connection:
        if delivery:
            recording.record_unusable(connection, job_id, *_kind_and_body(delivery))
            replies.remember(connection, job_id, delivery, str(job_id))
        job = lifecycle.give_up(connection, job_id, reason)
    dispatch.after_commit(job)


def give_up(delivery: Delivery, error: Exception) -> bool:
    """Handle an error that stopped a message; return True if it was given up, and that committed.

    A message that can never work is not tried again; any other is, a few times. Raises Retryable if
    the store does not take it.
    """
    if not is_final(delivery.task_id, error):
        return False
    log.error("%s[%s] is given up.", delivery.task, delivery.task_id, exc_info=error)
    job_id, reason = _job_of(delivery), reason_of(error)
    if job_id is not None:
        try:
            fail(job_id, reason, delivery)
        except Retryable:
            raise
        except Exception:  # not even a failed job can be made of it
            log.exception("%s[%s] is kept as a dead letter.", delivery.task, delivery.task_id)
        else:
            return True
    refuse(delivery, str(error) if isinstance(error, Rejected) else reason)
    return True


def is_final(step: str, error: Exception) -> bool:
    """Count an error that stopped ``step``; return whether the step is not to be tried again."""
    if isinstance(error, Rejected):
        return True
    log.warning("%s was stopped.", step, exc_info=error)
    return poison.count(f"fault {step}"[:255]) >= MOST_FAULTS


def reason_of(error: Exception) -> str:
    """Return why something was given up, in one sentence without secrets."""
    return redacted(FAULT.format(error=words(error)))


def _job_of(delivery: Delivery) -> UUID | None:
    """Return the job that a message is, or is a part of; None if it is neither."""
    if delivery.task in JOB_TASKS:
        return delivery.job_id
    if delivery.task == Part.task:
        with suppress(InvalidJob):
            return Part.parse(delivery.body).job_id
    return None


def _kind_and_body(delivery: Delivery) -> tuple[str, object]:
    if delivery.task == Part.task:
        return delivery.body["kind"], delivery.body["head"]
    return delivery.task.removeprefix("tags."), delivery.body
