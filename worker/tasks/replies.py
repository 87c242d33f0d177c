"""Answer a message's sender: at the end of its job, or at once if no job comes of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from uuid import UUID

from tagsweep.worker.broker import canvas, results
from tagsweep.worker.broker.delivery import Delivery
from tagsweep.worker.database import Connection
from tagsweep.worker.errors import InvalidJob, JobEnded
from tagsweep.worker.events import callbacks, outbox


def check(delivery: Delivery) -> None:
    """Raise InvalidJob if what the message wants done at its job's end could not be done then."""
    reason = delivery.hung and canvas.refusal(delivery.hung)
    if reason:
        raise InvalidJob([{"path": "", "code": "unsupported", "reason": reason}])


def remember(
    connection: Connection, job_id: UUID, delivery: Delivery, name: str | None = None
) -> None:
    """Note with the job who waits for its end, and the callbacks to run then.

    ``name``: the correlation id, in place of the message's own.
    """
    outbox.remember_replies(connection, list(_waiting(job_id, delivery, name)))
    if delivery.hung:
        callbacks.keep(connection, job_id, delivery.hung)


def remember_all(connection: Connection, deliveries: Iterable[tuple[UUID, Delivery]]) -> None:
    """Note with each of the jobs who waits for its end; nothing else is to be done then."""
    waiting = [one for job_id, delivery in deliveries for one in _waiting(job_id, delivery)]
    outbox.remember_replies(connection, waiting)


def waits(job_id: UUID, delivery: Delivery) -> bool:
    """Return whether there is anything to note about who waits for the job's end."""
    return any(True for _ in _waiting(job_id, delivery))


def _waiting(
    job_id: UUID, delivery: Delivery, name: str | None = None
) -> Iterator[tuple[UUID, str, str]]:
    """Yield who waits on ``rpc://``, or under another spelling of the id (``uuid4().hex``)."""
    name = name or delivery.correlation_id or delivery.task_id
    if results.are_messages() and delivery.reply_to:
        yield job_id, delivery.reply_to, name
    elif name != str(job_id):
        yield job_id, "", name


def answer(delivery: Delivery, error: JobEnded, *, result: bool = True) -> None:
    """Tell the sender of a message that no job comes of it, and run its error callbacks.

    ``result``: also store this as the result that the sender asks for.
    """
    if result:
        reply = (delivery.reply_to or "", delivery.correlation_id or delivery.task_id)
        results.give(delivery.task_id, error, [reply] if delivery.reply_to else [])
    if delivery.hung:
        canvas.carry_out(delivery.hung, f"{delivery.task_id}/no job", error)
