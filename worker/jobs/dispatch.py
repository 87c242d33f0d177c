"""After the commit: what has ended is told, what is open is gone on with."""

from __future__ import annotations

from contextlib import suppress
from uuid import UUID

from tagsweep.worker import database
from tagsweep.worker.broker import sending
from tagsweep.worker.errors import Retryable
from tagsweep.worker.events import callbacks, outbox, relay
from tagsweep.worker.jobs import lifecycle
from tagsweep.worker.models.records import JobRecord


def finish(job_id: UUID, *, again: bool = False) -> None:
    """After the commit: publish the end of the job where it came to one, else wake sweeps.

    ``again``: its message came once more, so whoever sent it is answered once more.
    """
    with database.reading() as connection:
        job = lifecycle.find(connection, job_id)
        event = outbox.latest(connection, job_id) if again else None
    if job is None:
        return
    if not event:
        follow(job)
    else:
        delivered = relay.deliver(job_id)
        # it passes over who asked after the answers were given, if only the event waits
        with database.transaction() as connection:
            replies = outbox.take_replies(connection, [job_id])
            relay.answer(event["data"], replies.get(job_id, []))
        if not delivered:  # else what hangs on the end was carried out, or waits with it
            with database.transaction() as connection:
                callbacks.carry_out(connection, event["data"])


def follow(job: JobRecord) -> None:
    """After the commit: let the end of a job be published, or let workers go on with it."""
    with suppress(Retryable):  # recovery does it then
        if job.ended:
            relay.tell(job.id)
        elif job.open:
            sending.wake(job.open)
