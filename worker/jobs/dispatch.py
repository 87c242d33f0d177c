"""After the commit: publish a job's end, or make workers start or continue it.

Whoever changes a job calls ``after_commit`` with the record that its transaction returned, once
that is committed:

    with database.transaction() as connection:
        job = control.retry(connection, job_id)
    dispatch.after_commit(job)

Nothing is lost if that call fails, or is never made: recovery does the same within seconds.
"""

from __future__ import annotations

from contextlib import suppress
from uuid import UUID

from tagsweep.worker import database
from tagsweep.worker.broker import sending
from tagsweep.worker.broker.app import app
from tagsweep.worker.errors import BrokerUnavailable, Retryable
from tagsweep.worker.events import callbacks, ending, outbox, relay
from tagsweep.worker.models.records import JobRecord


def after_commit(job: JobRecord) -> None:
    """Publish the job's end, or make workers start or continue it; a paused job is left alone.

    Does not raise if the store or the broker cannot be reached: recovery does it then. A caller
    that has to know whether a worker was asked to start a job it has just recorded calls ``start``
    instead.
    """
    with suppress(Retryable):
        if job.ended:
            ending.publish(job.id)
        elif job.paused:
            return
        elif job.open:
            sending.wake(job.open)
        elif job.status == "queued" and job.complete:
            sending.wake()


def start(job_id: UUID) -> None:
    """Ask a worker to start a job that is recorded whole, at once if it is a small one.

    Without it, recovery has the job started a second or two later. Raises BrokerUnavailable.
    """
    try:
        sending.send(app(), "tags.start", str(job_id), ignore_result=True)
    except BrokerUnavailable:  # perhaps of a connection that died with the broker's last run
        sending.send(app(), "tags.start", str(job_id), ignore_result=True)


def answer_again(job: JobRecord) -> None:
    """After the commit, for a message that came again: answer whoever sent it once more.

    If the job has not ended, its end answers them; workers continue it.
    """
    with database.reading() as connection:
        event = outbox.latest(connection, job.id)
    if event is None:
        return after_commit(job)
    delivered = relay.deliver(job.id)
    # it passes over who asked after the answers were given, if only the event waits
    with database.transaction() as connection:
        replies = outbox.take_replies(connection, [job.id])
        relay.answer(event["data"], replies.get(job.id, []))
    if not delivered:  # else what hangs on the end was carried out, or waits with it
        with database.transaction() as connection:
            callbacks.carry_out(connection, event["data"])
    return None
