"""How a function becomes a Celery task, and what it is given of a message."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn
from uuid import UUID

import celery
from celery.exceptions import Reject

from worker.errors import Retryable
from worker.messaging import canvas
from worker.messaging.app import SENDING, app
from worker.models.jobs import JOB_TASKS, QUEUE
from worker.outages import Outage

log = logging.getLogger(__name__)

#: seconds before a message whose step could not be done is tried again; doubled each time
RETRY_S, MOST_RETRY_S = 0.2, 5
#: far beyond MOST_RETRY_S: more of them, after an hour, would be no number any more
MOST_DOUBLINGS = 10


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message as a task receives it."""

    task: str
    task_id: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    redelivered: bool  #: it was given to a worker before, which may have died of it
    reply_to: str | None  #: the queue of a caller on ``rpc://``
    correlation_id: str | None
    hung: str | None = None  #: what its caller hangs on the job's end (``messaging.canvas``)
    revoked: str | None = None  #: why it is not to be begun any more: revoked, or expired
    retries: int = 0  #: how often it was sent anew because its step could not be done yet

    @property
    def job_id(self) -> UUID | None:
        """The id of the job that the message is, which is the task's; None where that is none."""
        try:
            return UUID(self.task_id)
        except ValueError:
            return None

    @property
    def body(self) -> Any:
        """The message's one argument; anything else is no job, and shown as it came."""
        if self.kwargs:
            return [*self.args, self.kwargs]
        body = self.args[0] if len(self.args) == 1 else [*self.args]
        if isinstance(body, dict) and any(isinstance(one, bytes) for one in body.values()):
            # Celery's JSON has bytes, which are no list of ids; ours, packed, never come so
            return {
                name: bytearray(one) if isinstance(one, bytes) else one
                for name, one in body.items()
            }
        return body


def task(
    name: str, *, queue: str = QUEUE, again: bool = True, acks_late: bool = True
) -> Callable[[Callable[[Delivery], None]], Any]:
    """Make a function of a Delivery the Celery task ``name``.

    It returns nothing to Celery: results are the relay's (``messaging.strays.Request``).
    Where its step fails with a Retryable, the message is sent ``again``, later and later; and
    where its process dies, it comes again. Or, where others like it follow anyway, it is dropped.

    ``acks_late``: it is acknowledged when it is done, and its worker has no other message in hand
    till then.
    """
    outage = Outage(log, f"{name} works again")

    def decorate(step: Callable[[Delivery], None]) -> Any:
        def run(self: celery.Task[Any, Any], *args: Any, **kwargs: Any) -> None:
            delivery = _delivery(self, args, kwargs)
            if delivery.redelivered and not again:
                return  # what it was sent for may have killed its worker
            try:
                step(delivery)
            except Retryable as error:
                if not again:
                    outage.failed(f"{name}: {error}")
                    return
                _again(self, error)
            outage.over()

        run.__doc__ = step.__doc__
        # without end: Celery would give a message up, and drop it, at its third return
        options: Any = {
            "max_retries": None,
            "reject_on_worker_lost": again,
            "acks_late": acks_late,
        }
        as_task: Any = app().task(name=name, bind=True, queue=queue, **options)
        return as_task(run)

    return decorate


def _again(self: celery.Task[Any, Any], error: Retryable) -> NoReturn:
    """Send the message anew after a while.

    The wait is here, not in the message: whoever took that up would compare the time in it with a
    clock of its own. And while the store is away there is nothing better to do.
    """
    wait = min(RETRY_S * 2 ** min(self.request.retries, MOST_DOUBLINGS), MOST_RETRY_S)
    time.sleep(wait * random.uniform(0.5, 1))  # noqa: S311  # so that not all come at once
    try:
        raise self.retry(exc=error, countdown=0, **SENDING) from error
    except Reject as unsent:  # the broker is away too: Celery would drop the one in hand
        raise Reject(str(unsent), requeue=True) from error


def _delivery(
    self: celery.Task[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Delivery:
    request = self.request
    info = request.delivery_info or {}
    return Delivery(
        task=self.name,
        task_id=str(request.id),
        args=args,
        kwargs=kwargs,
        redelivered=bool(info.get("redelivered")),
        reply_to=request.reply_to,
        correlation_id=request.correlation_id,
        hung=canvas.take_off(request) if self.name in JOB_TASKS else None,
        revoked=getattr(request, "tagsweep_revoked", None),
        retries=request.retries or 0,
    )
