"""Makes a function a Celery task, called with the message as a Delivery."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import celery
from celery.exceptions import Reject, Retry

from tagsweep.worker import settings
from tagsweep.worker.broker import canvas, names, sending
from tagsweep.worker.broker.app import app
from tagsweep.worker.errors import InvalidJob, NotRecordedYet, Retryable, StoreBusy, words
from tagsweep.worker.models.jobs import JOB_TASKS
from tagsweep.worker.outages import Outage

log = logging.getLogger(__name__)

NO_JOB = "It names no job: it must be the id of one, a UUID."

#: seconds before a message whose step failed is sent again; doubled each time, up to what the error
#: says
RETRY_S = 0.2
#: far beyond any limit: without it, the power would overflow after an hour
MOST_DOUBLINGS = 10

#: called with a message that an unexpected error stopped: True if it gave the message up and
#: committed that; False if the message is to be tried again
GiveUp = Callable[["Delivery", Exception], bool]

_givers_up: list[GiveUp] = []
_already_done: set[str] = set()  #: ids of the tasks whose steps were done beforehand
_outages: dict[str, Outage] = {}  #: of each task


def give_up_with(give_up: GiveUp) -> None:
    """From now on, call ``give_up`` with every message that an unexpected error stopped."""
    _givers_up[:] = [give_up]


@contextmanager
def already_done(task_id: str) -> Iterator[None]:
    """Within the block, a task of this id finds its step done and committed."""
    _already_done.add(task_id)
    try:
        yield
    finally:
        _already_done.discard(task_id)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message as a task receives it."""

    task: str
    task_id: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    redelivered: bool  #: a worker received it before, and may have crashed on it
    reply_to: str | None  #: the queue of a caller on ``rpc://``
    correlation_id: str | None
    hung: str | None = None  #: what its caller attached to the job's end (``canvas``)
    revoked: str | None = None  #: why it must not begin: revoked, or expired
    retries: int = 0  #: how often it was sent again because its step failed
    express: bool = False  #: whether its worker takes only jobs, and is to do only small ones

    @property
    def job_id(self) -> UUID | None:
        """The job's id, which is the task's; None if that is not a UUID."""
        try:
            return UUID(self.task_id)
        except ValueError:
            return None

    @property
    def named_job(self) -> UUID:
        """The job whose id is the message's one argument; raises InvalidJob if that is no UUID."""
        try:
            return UUID(self.body)
        except (AttributeError, TypeError, ValueError):
            raise InvalidJob([{"path": "", "code": "invalid", "reason": NO_JOB}]) from None

    @property
    def body(self) -> Any:
        """The message's only argument; otherwise all arguments, which are not a valid job."""
        if self.kwargs:
            return [*self.args, self.kwargs]
        body = self.args[0] if len(self.args) == 1 else [*self.args]
        if isinstance(body, dict) and any(isinstance(one, bytes) for one in body.values()):
            # bytes from Celery's JSON are not a list of ids; our packed ids never arrive as bytes
            return {
                name: bytearray(one) if isinstance(one, bytes) else one
                for name, one in body.items()
            }
        return body


def task(
    name: str, *, again: bool = True, acks_late: bool = True
) -> Callable[[Callable[[Delivery], None]], Any]:
    """Make a function of a Delivery the Celery task ``name``.

    It returns nothing to Celery: the relay stores results (``runtime.consumer.Request``). With
    ``again``, a message whose process died is delivered again, and one whose step failed is handled
    as ``_done`` says; without it, such a message is dropped, because others like it follow.

    ``acks_late``: the message is acknowledged when it is done. Until then it counts against its
    worker's prefetch limit: of all queues together, or on RabbitMQ of its own queue.
    """

    def decorate(step: Callable[[Delivery], None]) -> Any:
        def run(self: celery.Task[Any, Any], *args: Any, **kwargs: Any) -> None:
            if self.request.id in _already_done:
                return
            if again:
                _done(self, step, args, kwargs)
            else:
                _tried(self, step, args, kwargs)

        run.__doc__ = step.__doc__
        # no limit: Celery would give a message up, and drop it, at its third retry
        options: Any = {
            "max_retries": None,
            "reject_on_worker_lost": again,
            # a message whose task ends in any other way is requeued
            "acks_on_failure": not again,
            "acks_on_timeout": not again,
            "acks_late": acks_late,
        }
        # of this app alone: a service in the same process has an app of its own
        as_task: Any = app().task(name=name, bind=True, shared=False, **options)
        return as_task(run)

    return decorate


def _done(
    self: celery.Task[Any, Any],
    step: Callable[[Delivery], None],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> None:
    """Return once the step is done, or the message was given up: both are committed.

    Otherwise raise Retry once the broker has taken a copy of the message, or Reject to requeue it:
    whatever the step raises, the message is never acknowledged and lost. On AMQP, where requeuing
    uses up a queue's delivery limit, it stays unacknowledged for as long as neither store nor
    broker accepts anything.
    """
    tries = self.request.retries or 0
    while True:
        try:
            delivery = _delivery(self, args, kwargs)
            step(delivery)
        except Exception as error:  # noqa: BLE001  # of any kind: the message must not be lost
            why = error
        else:
            _outage(self).over()
            return
        if _given_up(self, args, kwargs, why):
            return
        is_express = hasattr(self.request, "tagsweep_express")  # others are to wait, not this one
        is_busy = isinstance(why, NotRecordedYet | StoreBusy)
        if is_express and is_busy and _sent_anew(self, tries + 1, queue=names.parts()):
            raise Retry("it has to wait, and was left to another worker")
        _outage(self).failed(f"{self.name}: {why if isinstance(why, Retryable) else words(why)}")
        longest = (why if isinstance(why, Retryable) else Retryable).longest_pause_s
        wait = min(RETRY_S * 2 ** min(tries, MOST_DOUBLINGS), longest)
        time.sleep(wait * random.uniform(0.5, 1))  # noqa: S311  # so that not all come at once
        tries += 1
        if _sent_anew(self, tries):
            raise Retry("it could not be done yet and was sent again")
        if not settings.load().limits_deliveries:
            raise Reject("it could not be done yet", requeue=True)


def _given_up(
    self: celery.Task[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any], why: Exception
) -> bool:
    if isinstance(why, Retryable):
        return False
    try:
        return any(give_up(_delivery(self, args, kwargs), why) for give_up in _givers_up)
    except Exception as error:  # noqa: BLE001  # the message is tried again
        _outage(self).failed(f"{self.name} cannot be given up: {words(error)}")
        return False


def _sent_anew(self: celery.Task[Any, Any], retries: int, **options: Any) -> bool:
    """Send a copy of the message; return whether the broker has taken it.

    The delay is waited for here and not written into the message: another worker would compare
    that time with its own clock.
    """
    try:
        sending.send_anew(self.signature_from_request(retries=retries, **options))
    except Exception as error:  # noqa: BLE001  # of any kind: there is no copy
        _outage(self).failed(f"{self.name} cannot be sent again: {words(error)}")
        return False
    return True


def _tried(
    self: celery.Task[Any, Any],
    step: Callable[[Delivery], None],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> None:
    """Run the step once; it is not tried again, because other messages like it follow."""
    delivery = _delivery(self, args, kwargs)
    if delivery.redelivered:
        return  # it may have crashed its worker
    try:
        step(delivery)
        _outage(self).over()
    except Retryable as error:
        _outage(self).failed(f"{self.name}: {error}")
    except Exception:
        log.exception("%s was stopped.", self.name)


def _outage(self: celery.Task[Any, Any]) -> Outage:
    return _outages.setdefault(self.name, Outage(log, f"{self.name} works again"))


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
        express=hasattr(request, "tagsweep_express"),
    )
