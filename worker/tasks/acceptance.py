"""From a message to a recorded job, and on to its chunks: what every kind of job goes through."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from tagsweep.worker import database
from tagsweep.worker.broker import canvas, results
from tagsweep.worker.broker.delivery import Delivery
from tagsweep.worker.chunks import attempts
from tagsweep.worker.database import Connection
from tagsweep.worker.errors import (
    InvalidJob,
    JobEnded,
    JobRejected,
    JobRevoked,
    StoreRefused,
)
from tagsweep.worker.events import callbacks, outbox
from tagsweep.worker.jobs import backoff, dispatch, lifecycle, parts, queries, recording, set_aside
from tagsweep.worker.models.jobs import Job, fingerprint_of
from tagsweep.worker.models.parts import Part
from tagsweep.worker.models.records import JobRecord
from tagsweep.worker.tasks import starting

#: a message that has taken so many workers with it is given up
MOST_ATTEMPTS = 5

TAKEN = "This id is another job's already: send this one under an id of its own."
NO_UUID = "A task id must be a UUID, for it becomes the job's id; this one is none."
POISON = "Its message came back {attempts} times after its worker had died, and was given up."


def accept(kind: type[Job], delivery: Delivery) -> None:
    """Record the job in ``delivery`` and split it; where one chunk holds it, apply that too.

    A second delivery of the same job changes nothing and gets the same answer. What is no valid
    job ends ``rejected``; another job under an id that is taken is set aside.
    """
    job_id = delivery.job_id
    if job_id is None:
        return refuse(delivery, NO_UUID)
    if _is_poison(delivery):
        return give_up(job_id, POISON.format(attempts=MOST_ATTEMPTS + 1), delivery)
    with _nobody_dies(delivery):
        if delivery.revoked and not _is_recorded(job_id):
            return _tell(delivery, JobRevoked(delivery.revoked))
        try:
            job = kind.parse(delivery.body)
            _check(delivery)
        except InvalidJob as invalid:
            return _reject(kind, job_id, delivery, invalid)
        return _accept(job, job_id, delivery)


def _accept(job: Job, job_id: UUID, delivery: Delivery) -> None:
    try:
        recorded, created = _record(job, job_id, delivery, at_once=True)
    except StoreRefused:
        try:  # then a sweep finds out what of it is refused
            recorded, created = _record(job, job_id, delivery, at_once=False)
        except StoreRefused as refused:
            return _put_off(job, job_id, delivery, refused)
    if recorded is None:
        return refuse(delivery, TAKEN)
    return dispatch.after_commit(recorded) if created else dispatch.answer_again(recorded)


def _record(
    job: Job, job_id: UUID, delivery: Delivery, *, at_once: bool
) -> tuple[JobRecord | None, bool]:
    """Record the job and split it; return it, None where its id is taken, and whether it is new."""
    with database.transaction() as connection:
        created = recording.record(connection, job_id, job)
        recorded = created or queries.lock(connection, job_id)
        if created is None and recording.is_another(
            recorded, job.kind, job.tenant, job.fingerprint()
        ):
            return None, False
        _remember(connection, job_id, delivery)
        if recorded.status == "queued":
            recorded = starting.start(connection, recorded, parts.lists_of(job), at_once=at_once)
    return recorded, created is not None


def _put_off(job: Job, job_id: UUID, delivery: Delivery, refused: StoreRefused) -> None:
    """Record the job whole, to be split later: then its message has done its part.

    Raises ``refused`` where another one stands under its id by now, or not the whole of it.
    """
    with database.transaction() as connection:
        recording.record_whole(connection, job_id, job, [parts.lists_of(job)])
        recorded = queries.lock(connection, job_id)
        another = recording.is_another(recorded, job.kind, job.tenant, job.fingerprint())
        if another or recorded.ended or not recorded.complete:
            raise refused
        _remember(connection, job_id, delivery)
        backoff.start(connection, recorded, refused)


def accept_part(delivery: Delivery) -> None:
    """Keep a part of a streamed job; the one that completes it splits the job."""
    part = Part.parse(delivery.body)
    job = part.job()
    if _is_poison(delivery):
        return give_up(part.job_id, POISON.format(attempts=MOST_ATTEMPTS + 1), delivery)
    with _nobody_dies(delivery):
        try:
            _accept_part(part, job, delivery)
        except StoreRefused as refused:
            _accept_part(part, job, delivery, refused)
    return None


def _accept_part(
    part: Part, job: Job, delivery: Delivery, refused: StoreRefused | None = None
) -> None:
    """Keep the part, and split the job; ``refused``: that was refused, and is put off."""
    fingerprint = fingerprint_of(job.kind, job.head())
    with database.transaction() as connection:
        recorded = recording.record_stream(connection, part, job)
        ended_before = recorded.ended
        taken = recording.is_another(recorded, job.kind, job.tenant, fingerprint)
        if not taken:
            _remember(connection, part.job_id, delivery, str(part.job_id))
            if parts.receive(connection, part):
                whole = queries.lock(connection, part.job_id)
                if refused:
                    backoff.start(connection, whole, refused)
                else:
                    recorded = starting.start(connection, whole)
    if taken:
        return refuse(delivery, TAKEN)
    if ended_before:
        return dispatch.answer_again(recorded)
    # one that waits for parts, or is put off, is not to be started now
    return None if recorded.status == "queued" else dispatch.after_commit(recorded)


def refuse(delivery: Delivery, reason: str) -> None:
    """Set a message aside that neither is nor becomes a job, and tell its sender where possible.

    Under the id of another job nothing is told through a shared result backend: it would be shown
    as that job's answer.
    """
    with database.transaction() as connection:
        body = delivery.body
        set_aside.set_aside(connection, delivery.task, delivery.task_id, body, reason)
    _tell(delivery, JobRejected(reason), result=reason != TAKEN or results.are_messages())


def _tell(delivery: Delivery, error: JobEnded, *, result: bool = True) -> None:
    """Tell the sender of a message that it becomes no job; ``result``: also who asks for that."""
    if result:
        reply = (delivery.reply_to or "", delivery.correlation_id or delivery.task_id)
        results.give(delivery.task_id, error, [reply] if delivery.reply_to else [])
    if delivery.hung:
        canvas.carry_out(delivery.hung, f"{delivery.task_id}/no job", error)


def _is_recorded(job_id: UUID) -> bool:
    with database.reading() as connection:
        return queries.find(connection, job_id) is not None


def _check(delivery: Delivery) -> None:
    """Raise InvalidJob where what hangs on the job's end could not be carried out then."""
    reason = delivery.hung and canvas.refusal(delivery.hung)
    if reason:
        raise InvalidJob([{"path": "", "code": "unsupported", "reason": reason}])


def _remember(
    connection: Connection, job_id: UUID, delivery: Delivery, name: str | None = None
) -> None:
    """Note who waits, on ``rpc://`` or under another spelling of the id (``uuid4().hex``).

    And what is to be carried out at the job's end.
    """
    name = name or delivery.correlation_id or delivery.task_id
    if results.are_messages() and delivery.reply_to:
        outbox.remember_reply(connection, job_id, delivery.reply_to, name)
    elif name != str(job_id):
        outbox.remember_reply(connection, job_id, "", name)
    if delivery.hung:
        callbacks.keep(connection, job_id, delivery.hung)


def _reject(kind: type[Job], job_id: UUID, delivery: Delivery, invalid: InvalidJob) -> None:
    body = delivery.body
    with database.transaction() as connection:
        created = recording.reject(connection, job_id, kind.kind, body, invalid.errors)
        recorded = queries.lock(connection, job_id)
        same = recorded.fingerprint == fingerprint_of(kind.kind, body)
        if same:
            _remember(connection, job_id, delivery)
    if not same:
        return refuse(delivery, TAKEN)
    return dispatch.after_commit(recorded) if created else dispatch.answer_again(recorded)


def _is_poison(delivery: Delivery) -> bool:
    """Count, where the message came again, that it did; tell whether too often."""
    return delivery.redelivered and attempts.count(delivery.task_id) > MOST_ATTEMPTS


@contextmanager
def _nobody_dies(delivery: Delivery) -> Iterator[None]:
    """Count a message that came again as one that kills only where it does: no error does."""
    try:
        yield
    except Exception:
        if delivery.redelivered:
            attempts.nobody_died(delivery.task_id)
        raise


def give_up(job_id: UUID, reason: str, delivery: Delivery | None = None) -> None:
    """End a job ``failed`` that could not begin; of a mere message it is recorded first."""
    with database.transaction() as connection:
        if delivery:
            recording.record_unusable(connection, job_id, *_kind_and_body(delivery))
            _remember(connection, job_id, delivery, str(job_id))
        job = lifecycle.give_up(connection, job_id, reason)
    dispatch.after_commit(job)


def _kind_and_body(delivery: Delivery) -> tuple[str, object]:
    if delivery.task == Part.task:
        return delivery.body["kind"], delivery.body["head"]
    return delivery.task.removeprefix("tags."), delivery.body
