"""The public tasks, one per kind of job: record the job, split it, apply a small one at once."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from tagsweep.worker import database
from tagsweep.worker.broker.delivery import Delivery, task
from tagsweep.worker.chunks import express
from tagsweep.worker.errors import InvalidJob, JobRevoked, StoreRefused
from tagsweep.worker.jobs import backoff, dispatch, lifecycle, parts, queries, recording
from tagsweep.worker.mapping import checking
from tagsweep.worker.models.jobs import KINDS, Job, fingerprint_of
from tagsweep.worker.models.records import JobRecord
from tagsweep.worker.tasks import dead_letters, replies, start

NO_UUID = "A task id must be a UUID, because it becomes the job's id; this one is not."


def accept(kind: type[Job], delivery: Delivery) -> None:
    """Record the job in ``delivery`` and split it; if it has only one chunk, apply that too.

    A second delivery of the same job changes nothing and gets the same answer. An invalid job ends
    ``rejected``; another job under an id that is taken becomes a dead letter.
    """
    job_id = delivery.job_id
    if job_id is None:
        return dead_letters.refuse(delivery, NO_UUID)
    with dead_letters.counted(delivery) as poisonous:
        if poisonous:
            return dead_letters.fail(job_id, poisonous, delivery)
        if delivery.revoked and not _is_recorded(job_id):
            return replies.answer(delivery, JobRevoked(delivery.revoked))
        try:
            job = kind.parse(delivery.body)
            checking.check(job)
            replies.check(delivery)
            recording.check_callback(job_id, job)
        except InvalidJob as invalid:
            return _reject(kind, job_id, delivery, invalid)
        return _accept(job, job_id, delivery)


def _accept(job: Job, job_id: UUID, delivery: Delivery) -> None:
    if delivery.express and not express.is_small(job):
        return _leave(job, job_id, delivery)
    try:
        recorded, created = _record(job, job_id, delivery, at_once=True)
    except StoreRefused:
        try:  # a sweep then finds out which items are refused
            recorded, created = _record(job, job_id, delivery, at_once=False)
        except StoreRefused as refused:
            return _put_off(job, job_id, delivery, refused)
    if recorded is None:
        return dead_letters.refuse(delivery, dead_letters.TAKEN)
    return dispatch.after_commit(recorded) if created else dispatch.answer_again(recorded)


def _record(
    job: Job, job_id: UUID, delivery: Delivery, *, at_once: bool
) -> tuple[JobRecord | None, bool]:
    """Record the job and split it; return it (None if its id is taken), and whether it is new."""
    with database.transaction() as connection:
        if delivery.express:
            database.wait_briefly(connection)
        created = recording.record(connection, job_id, job)
        recorded = created or queries.lock(connection, job_id)
        if not created and _is_another(recorded, job):
            return None, False
        replies.remember(connection, job_id, delivery)
        if recorded.status == "queued":
            lists = parts.lists_of(job)
            recorded = start.start(connection, recorded, lists, at_once=at_once)
    return recorded, created is not None


def _leave(job: Job, job_id: UUID, delivery: Delivery) -> None:
    """Record the job with its lists, and leave it to a worker that splits jobs.

    If it is recorded already, its row may be locked for as long as that takes: it is only read.
    """
    with database.transaction() as connection:
        database.wait_briefly(connection)
        created = recording.record_whole(connection, job_id, job, parts.parts_of(job))
        another = not created and _is_another(queries.get(connection, job_id), job)
        if not another:
            replies.remember(connection, job_id, delivery)
    if another:
        return dead_letters.refuse(delivery, dead_letters.TAKEN)
    with database.reading() as connection:  # its end may have been answered before that commit
        recorded = queries.get(connection, job_id)
    return dispatch.after_commit(recorded) if created else dispatch.answer_again(recorded)


def _put_off(job: Job, job_id: UUID, delivery: Delivery, refused: StoreRefused) -> None:
    """Record the job with its lists, to be split later: its message is then no longer needed.

    Raises ``refused`` if another job is recorded under its id by now, or only a part of this one.
    """
    with database.transaction() as connection:
        recording.record_whole(connection, job_id, job, [parts.lists_of(job)])
        recorded = queries.lock(connection, job_id)
        if _is_another(recorded, job) or recorded.ended or not recorded.complete:
            raise refused
        replies.remember(connection, job_id, delivery)
        backoff.start(connection, recorded, refused)


def _reject(kind: type[Job], job_id: UUID, delivery: Delivery, invalid: InvalidJob) -> None:
    body = delivery.body
    with database.transaction() as connection:
        created = recording.record_unusable(connection, job_id, kind.kind, body)
        if created:
            lifecycle.end(connection, created, "rejected", invalid.errors)
        recorded = queries.lock(connection, job_id)
        same = recorded.fingerprint == fingerprint_of(kind.kind, body)
        if same:
            replies.remember(connection, job_id, delivery)
    if not same:
        return dead_letters.refuse(delivery, dead_letters.TAKEN)
    return dispatch.after_commit(recorded) if created else dispatch.answer_again(recorded)


def _is_another(recorded: JobRecord, job: Job) -> bool:
    return recording.is_another(recorded, job.kind, job.tenant, job.fingerprint())


def _is_recorded(job_id: UUID) -> bool:
    with database.reading() as connection:
        return queries.find(connection, job_id) is not None


def _task(kind: type[Job]) -> Any:
    def run(delivery: Delivery) -> None:
        accept(kind, delivery)

    run.__doc__ = kind.__doc__
    return task(kind.task)(run)


#: the public tasks, by the kind of their jobs; a Celery task id is the id of its job
TASKS = {name: _task(kind) for name, kind in KINDS.items()}
