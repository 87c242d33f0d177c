"""The tasks of a job that a producer streams: ``tags.part``, and the probe behind the parts."""

from __future__ import annotations

from uuid import UUID

from tagsweep.worker import database
from tagsweep.worker.broker.delivery import Delivery, task
from tagsweep.worker.errors import InvalidJob, StoreRefused
from tagsweep.worker.jobs import backoff, dispatch, lifecycle, parts, queries, recording
from tagsweep.worker.mapping import checking
from tagsweep.worker.models.jobs import Job, fingerprint_of
from tagsweep.worker.models.parts import Part
from tagsweep.worker.tasks import dead_letters, replies, start


@task(Part.task)
def part(delivery: Delivery) -> None:
    """Store a part of a streamed job; the part that completes the job starts it."""
    try:
        accept(delivery)
    except InvalidJob as invalid:
        dead_letters.refuse(delivery, str(invalid))


@task("tags.probe")
def probe(delivery: Delivery) -> None:
    """Note that whatever was ahead of this message in the queue has been served."""
    with database.transaction() as connection:
        parts.probed(connection, UUID(delivery.body))


def accept(delivery: Delivery) -> None:
    """Store a part; if it completes its job, split that. Raises InvalidJob if it is no part."""
    received = Part.parse(delivery.body)
    job = received.job()
    with dead_letters.counted(delivery) as poisonous:
        if poisonous:
            return dead_letters.fail(received.job_id, poisonous, delivery)
        try:
            checking.check(job, received.ids)
            recording.check_callback(received.job_id, job)
            _accept(received, job, delivery)
        except InvalidJob as invalid:
            _reject(received, job, delivery, invalid)
        except StoreRefused as refused:
            _accept(received, job, delivery, refused)
    return None


def _accept(
    received: Part, job: Job, delivery: Delivery, refused: StoreRefused | None = None
) -> None:
    """Store the part, and split a complete job; if that was ``refused`` before, put it off."""
    job_id, fingerprint = received.job_id, fingerprint_of(job.kind, job.head())
    with database.transaction() as connection:
        recorded = recording.record_stream(connection, job_id, received.nonce, job, received.ids)
        ended_before = recorded.ended
        another = recording.is_another(recorded, job.kind, job.tenant, fingerprint)
        if not another:
            checking.check_part(recorded, received)
            replies.remember(connection, job_id, delivery, str(job_id))
            if parts.receive(connection, recorded, received):
                whole = queries.lock(connection, job_id)
                if refused:
                    backoff.start(connection, whole, refused)
                else:
                    recorded = start.start(connection, whole)
    if another:
        return dead_letters.refuse(delivery, dead_letters.TAKEN)
    if ended_before:
        return dispatch.answer_again(recorded)
    # a job that waits for parts, or is put off, is not to be started now
    return None if recorded.status == "queued" else dispatch.after_commit(recorded)


def _reject(received: Part, job: Job, delivery: Delivery, invalid: InvalidJob) -> None:
    """End the job ``rejected``, whether or not an earlier part has recorded it.

    A job that has been split continues; a part of another job becomes a dead letter.
    """
    job_id = received.job_id
    with database.transaction() as connection:
        recording.record_unusable(connection, job_id, job.kind, received.head)
        recorded = queries.lock(connection, job_id)
        heads = [fingerprint_of(job.kind, head) for head in (received.head, job.head())]
        same = recorded.tenant == job.tenant and recorded.fingerprint in heads
        ends = same and recorded.status == "queued"
        if same:
            replies.remember(connection, job_id, delivery, str(job_id))
        if ends:
            recorded = lifecycle.end(connection, recorded, "rejected", invalid.errors)
    if not same:
        return dead_letters.refuse(delivery, dead_letters.TAKEN)
    return dispatch.after_commit(recorded) if ends else dispatch.answer_again(recorded)
