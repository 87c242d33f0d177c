"""Celery's consumer, request and task, which store messages that no task of ours can take.

Celery would log such messages and drop them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import celery
from billiard import einfo
from billiard.exceptions import Terminated
from celery.exceptions import Ignore, InvalidTaskError, Reject, Retry, WorkerLostError
from celery.utils.time import timezone
from celery.worker import request
from kombu import Message

from tagsweep.worker.broker import canvas, results
from tagsweep.worker.broker.app import process_died
from tagsweep.worker.broker.runtime import large_messages
from tagsweep.worker.broker.runtime.batches import Batches
from tagsweep.worker.errors import JobRejected
from tagsweep.worker.models.jobs import JOB_TASKS
from tagsweep.worker.outages import Outage

log = logging.getLogger(__name__)

#: stores a message (task, task id, body, reason); returns whether the id is already a job's
Store = Callable[[str, str, object, str], bool]

UNKNOWN = "There is no such task here."
UNREADABLE = "Its body cannot be read: jobs must be sent as JSON."
#: Celery's own tasks call others in-process, but a job has not ended when its call returns
BUILTIN = "celery.map, starmap and the like do not run here: send each job as a task of a group."

#: seconds before storing a message is tried again
STORE_AGAIN_S = 1.0
#: errors that say themselves what becomes of the message
_SETTLED = (Ignore, KeyboardInterrupt, Reject, Retry, Terminated)

#: carries an error of a pool process; the stubs lack it
_FROM_CHILD: Any = getattr(einfo, "ExceptionWithTraceback")  # noqa: B009  # same

_outage = Outage(log, "Messages that are not jobs are set aside again")


class Consumer(large_messages.Consumer):
    """Celery's consumer, except that it stores undeliverable messages and reconnects quickly."""

    #: set when the worker starts; in a process without a command line nothing is stored
    store: ClassVar[Store] = staticmethod(lambda *_: False)

    def __init__(self, step: Any, worker_options: Any = None, **kwargs: Any) -> None:
        # mingling asks all other workers what was revoked: our tasks never are, and with a broker
        # that accepts no messages the worker would never start
        options = {**(worker_options or {}), "without_mingle": True}
        self._batches = Batches(kwargs["controller"], step)
        super().__init__(self._batches.add, worker_options=options, **kwargs)

    def on_close(self) -> None:
        """Forget what came over a connection that is lost."""
        super().on_close()
        self._batches.clear()

    def on_unknown_message(self, body: Any, message: Message) -> None:
        """Store a message that is not even a task call."""
        self._store(message, UNREADABLE, partial(super().on_unknown_message, body, message))

    def on_unknown_task(self, body: Any, message: Message, exc: Exception) -> None:
        """Store a call of a task that is not ours."""
        self._store(message, UNKNOWN, partial(super().on_unknown_task, body, message, exc))

    def on_invalid_task(self, body: Any, message: Message, exc: Exception) -> None:
        """Store a malformed call."""
        builtin = _is_builtin((message.headers or {}).get("task"))
        reason = BUILTIN if builtin else UNREADABLE
        self._store(message, reason, partial(super().on_invalid_task, body, message, exc))

    def on_decode_error(self, message: Message, exc: Exception) -> None:
        """Store a message of a content type that is not accepted."""
        self._store(message, UNREADABLE, partial(super().on_decode_error, message, exc))

    def _store(self, message: Message, reason: str, drop: Callable[[], object]) -> None:
        """Store a message, then let Celery ``drop`` it; until then it stays unacknowledged."""
        if _stored(message, reason):
            drop()
        else:
            self.timer.call_after(STORE_AGAIN_S, self._store, (message, reason, drop))


class Request(request.Request):
    """A task call; Celery's own class ends the worker if the body is malformed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        try:
            super().__init__(*args, **kwargs)
            payload: Any = self._payload  # type: ignore[attr-defined]  # the stubs lack it
            _, named, embedded = payload
            if not isinstance(named, dict) or not isinstance(embedded or {}, dict):
                raise TypeError("its keyword arguments are not an object")  # noqa: TRY301  # as below
            if self.eta:
                timezone.to_system(self.eta)  # Celery would drop the call if that failed later
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
            raise InvalidTaskError(str(error)) from error
        if _is_builtin(self.type):
            raise InvalidTaskError(BUILTIN)
        if self.type.startswith("tags."):
            # whatever the caller's version of Celery asks for: only the relay stores results
            self._ignore_result = True
            self._request_dict["ignore_result"] = True  # type: ignore[attr-defined]  # the stubs lack it
            # exceeding them kills the process, and the message would be lost
            self.time_limits = (None, None)
            if large_messages.is_express(self.app):
                self._request_dict["tagsweep_express"] = True  # type: ignore[attr-defined]  # the same

    def revoked(self) -> bool:
        """Return whether Celery is to drop the call: never a job's, which may be recorded already.

        Its task learns that it was revoked, or has expired (``Delivery.revoked``).
        """
        was: bool = super().revoked()
        return was and self.type not in JOB_TASKS

    def _announce_revoked(self, reason: str, *args: Any) -> None:
        if self.type in JOB_TASKS:
            self._request_dict["tagsweep_revoked"] = reason  # type: ignore[attr-defined]  # the stubs lack it
        else:
            super()._announce_revoked(reason, *args)  # type: ignore[misc]  # the same

    def terminate(self, pool: Any, signal: Any = None) -> None:
        """Do not kill a job's task: its message, and others in that process, would be lost.

        A recorded job is stopped by cancelling it.
        """
        if self.type not in JOB_TASKS:
            super().terminate(pool, signal)

    def on_failure(self, exc_info: Any, *args: Any, **kwargs: Any) -> None:
        """Note that a process died running this call, for the process that replaces it.

        A call that ended in any other error, raised within Celery itself, is requeued.
        """
        task: Any = self.task  # the stubs do not know all of it
        error = exc_info.exception
        if isinstance(error, _FROM_CHILD):
            error = error.exc
        if isinstance(error, WorkerLostError | SystemExit):
            process_died.set()
        elif not task.acks_on_failure and not isinstance(error, _SETTLED):
            log.error("%s[%s] is requeued: %r", self.name, self.id, error)
            exc_info.exception = Reject(repr(error), requeue=True)
        super().on_failure(exc_info, *args, **kwargs)


class Task(celery.Task[Any, Any]):
    """Any task, including Celery's own."""

    abstract = True
    Request = f"{__name__}:{Request.__name__}"

    def signature_from_request(self, request: Any = None, *args: Any, **options: Any) -> Any:
        """Return a copy of the call, with the callbacks that it came with."""
        hung = canvas.given_back(self.request if request is None else request)
        return super().signature_from_request(request, *args, **{**hung, **options})


def set_aside(raw: bytes) -> bool:
    """Store bytes that are not even a message; return False if that has to be tried again."""
    try:
        Consumer.store("", "", raw.decode(errors="replace"), UNREADABLE)
    except Exception as error:  # noqa: BLE001  # of any kind: it must not be lost
        _outage.failed(f"An unreadable message waits until it can be set aside: {error}")
        return False
    return True


def _stored(message: Message, reason: str) -> bool:
    """Store ``message`` and fail its sender's call; return False if that has to be tried again."""
    headers = message.headers or {}
    raw = message.body or b""
    text = raw if isinstance(raw, str) else bytes(raw).decode(errors="replace")
    name, task_id = str(headers.get("task", "")), str(headers.get("id", ""))
    try:
        is_job = Consumer.store(name, task_id, text, reason)
        if task_id and not is_job:
            results.give(task_id, JobRejected(reason), _replies(message, task_id))
        hung = canvas.of_message(message)
        if hung:
            canvas.carry_out(hung, f"{task_id}/set aside", JobRejected(reason))
    except Exception as error:  # noqa: BLE001  # of any kind: the message must not be lost
        _outage.failed(f"A message that is not a job waits until it can be set aside: {error}")
        return False
    _outage.over()
    return True


def _is_builtin(task: object) -> bool:
    return str(task).startswith("celery.")


def _replies(message: Message, task_id: str) -> list[tuple[str, str]]:
    reply_to = message.properties.get("reply_to")
    return [(reply_to, message.properties.get("correlation_id") or task_id)] if reply_to else []
