"""How a function becomes a Celery task, and what it is given of a message."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import celery

from worker.errors import Retryable
from worker.messaging.app import app
from worker.models.jobs import QUEUE

log = logging.getLogger(__name__)

#: seconds before a message whose step could not be done is tried again; doubled each time
RETRY_S, MOST_RETRY_S = 0.5, 30


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

    @property
    def body(self) -> Any:
        """The message's one argument; anything else is no job, and shown as it came."""
        return self.args[0] if len(self.args) == 1 and not self.kwargs else [*self.args]


def task(
    name: str, *, queue: str = QUEUE, acks_late: bool = True, again: bool = True
) -> Callable[[Callable[[Delivery], None]], Any]:
    """Make a function of a Delivery the Celery task ``name``.

    It returns nothing to Celery: results are the relay's (``messaging.strays.Request``).
    Where its step fails with a Retryable, the message is sent ``again``, later and later; or
    dropped, where others like it follow anyway.
    """

    def decorate(step: Callable[[Delivery], None]) -> Any:
        def run(self: celery.Task[Any, Any], *args: Any, **kwargs: Any) -> None:
            try:
                step(_delivery(self, args, kwargs))
            except Retryable as error:
                if not again:
                    log.warning("%s: %s", name, error)
                    return
                wait = min(RETRY_S * 2**self.request.retries, MOST_RETRY_S)
                raise self.retry(exc=error, countdown=wait, max_retries=None) from error

        run.__doc__ = step.__doc__
        return app().task(name=name, bind=True, queue=queue, acks_late=acks_late)(run)

    return decorate


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
    )
