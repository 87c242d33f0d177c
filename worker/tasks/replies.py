"""Answer a message's sender: at the end of its job, or at once if no job comes of it."""

from __future__ import annotations

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

    A caller waits on ``rpc://``, or under another spelling of the id (``uuid4().hex``). ``name``:
    the correlation id, in place of the message's own.
    """
    name = name or delivery.correlation_id or delivery.task_id
    if results.are_messages() and delivery.reply_to:
        outbox.remember_reply(connection, job_id, delivery.reply_to, name)
    elif name != str(job_id):
        outbox.remember_reply(connection, job_id, "", name)
    if delivery.hung:
        callbacks.keep(connection, job_id, delivery.hung)


def answer(delivery: Delivery, error: JobEnded, *, result: bool = True) -> None:
    """Tell the sender of a message that no job comes of it, and run its error callbacks.

    ``result``: also store this as the result that the sender asks for.
    """
    if result:
        reply = (delivery.reply_to or "", delivery.correlation_id or delivery.task_id)
        results.give(delivery.task_id, error, [reply] if delivery.reply_to else [])
    if delivery.hung:
        canvas.carry_out(delivery.hung, f"{delivery.task_id}/no job", error)
