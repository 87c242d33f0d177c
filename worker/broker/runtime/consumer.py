"""Messages that no task of ours can take: kept for somebody to look at, not dropped, not looped.

Celery would log them and let them go.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import celery
from billiard import einfo
from billiard.exceptions import Terminated
from celery.exceptions import Ignore, InvalidTaskError, Reject, Retry, WorkerLostError
from celery.utils.time import timezone
from celery.worker import request
from kombu import Message

from tagsweep.worker.broker import canvas, results
from tagsweep.worker.broker.app import process_died
from tagsweep.worker.broker.runtime.reconnection import Consumer as Reconnecting
from tagsweep.worker.errors import JobRejected
from tagsweep.worker.models.jobs import JOB_TASKS
from tagsweep.worker.outages import Outage

log = logging.getLogger(__name__)

#: what keeps a stray (task, task id, body, reason) and tells whether the id is a job's already
Keep = Callable[[str, str, object, str], bool]

UNKNOWN = "There is no such task here."
UNREADABLE = "Its body cannot be read: jobs are sent as JSON, and as nothing else."
#: Celery's own tasks call others where they run, and a job has not ended when its call returns
BUILTIN = "celery.map, starmap and the like do not run here: send each job as a task of a group."

#: seconds till a stray that could not be kept is tried again
KEEP_AGAIN_S = 1.0
#: how a call ends for which it is said, or seen, what comes of its message
_SETTLED = (Ignore, KeyboardInterrupt, Reject, Retry, Terminated)

#: what carries an error of a pool process, whose name the stubs do not know
_FROM_CHILD: Any = getattr(einfo, "ExceptionWithTraceback")  # noqa: B009  # same

_keepers: list[Keep] = []
_outage = Outage(log, "Messages that are no job are set aside again")


def keep_with(keep: Keep) -> None:
    """Let ``keep`` take every stray from now on."""
    _keepers.append(keep)


class Consumer(Reconnecting):
    """A consumer that keeps what Celery's would let go."""

    def __init__(self, step: Any, worker_options: Any = None, **kwargs: Any) -> None:
        # it asks all other workers what was revoked: none of ours is, and who asks a broker that
        # takes no messages would never come to work
        options = {**(worker_options or {}), "without_mingle": True}
        super().__init__(step, worker_options=options, **kwargs)

    def on_unknown_message(self, body: Any, message: Message) -> None:
        """Keep a message that is not even a call of a task."""
        self._keep(message, UNREADABLE, partial(super().on_unknown_message, body, message))

    def on_unknown_task(self, body: Any, message: Message, exc: Exception) -> None:
        """Keep a call of a task that is not ours."""
        self._keep(message, UNKNOWN, partial(super().on_unknown_task, body, message, exc))

    def on_invalid_task(self, body: Any, message: Message, exc: Exception) -> None:
        """Keep a call that is not made as calls are."""
        builtin = _is_builtin((message.headers or {}).get("task"))
        reason = BUILTIN if builtin else UNREADABLE
        self._keep(message, reason, partial(super().on_invalid_task, body, message, exc))

    def on_decode_error(self, message: Message, exc: Exception) -> None:
        """Keep a message in a form that is not accepted."""
        self._keep(message, UNREADABLE, partial(super().on_decode_error, message, exc))

    def _keep(self, message: Message, reason: str, let_go: Callable[[], object]) -> None:
        """Keep a message, then let Celery ``let_go`` of it; it stays in hand till it is kept."""
        if _kept(message, reason):
            let_go()
        else:
            self.timer.call_after(KEEP_AGAIN_S, self._keep, (message, reason, let_go))


class Request(request.Request):
    """A call of a task; Celery's own takes the worker down where its body has no arguments."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        try:
            super().__init__(*args, **kwargs)
            payload: Any = self._payload  # type: ignore[attr-defined]  # the stubs lack it
            _, named, embedded = payload
            if not isinstance(named, dict) or not isinstance(embedded or {}, dict):
                raise TypeError("its arguments by name are no object")  # noqa: TRY301  # as below
            if self.eta:
                timezone.to_system(self.eta)  # or Celery would let it go where it cannot do that
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
            raise InvalidTaskError(str(error)) from error
        if _is_builtin(self.type):
            raise InvalidTaskError(BUILTIN)
        if self.type.startswith("tags."):
            # whatever the caller's version of Celery asks for: the relay alone gives answers
            self._ignore_result = True
            self._request_dict["ignore_result"] = True  # type: ignore[attr-defined]  # the stubs lack it
            # with its process the message would be gone
            self.time_limits = (None, None)

    def revoked(self) -> bool:
        """Tell whether Celery is to drop it: never a job's, for it may be recorded already.

        Its task is told that it was revoked, or has expired (``Delivery.revoked``).
        """
        was: bool = super().revoked()
        return was and self.type not in JOB_TASKS

    def _announce_revoked(self, reason: str, *args: Any) -> None:
        if self.type in JOB_TASKS:
            self._request_dict["tagsweep_revoked"] = reason  # type: ignore[attr-defined]  # the stubs lack it
        else:
            super()._announce_revoked(reason, *args)  # type: ignore[misc]  # the same

    def terminate(self, pool: Any, signal: Any = None) -> None:
        """Let a job's task go on: with its process others of its batch would die, and its message.

        What is recorded is stopped by cancelling it.
        """
        if self.type not in JOB_TASKS:
            super().terminate(pool, signal)

    def on_failure(self, exc_info: Any, *args: Any, **kwargs: Any) -> None:
        """Note that a process has died with this call in hand; the heart asks for recovery.

        A call that ended in any other error, within Celery itself, is given back.
        """
        task: Any = self.task  # the stubs do not know all of it
        error = exc_info.exception
        if isinstance(error, _FROM_CHILD):
            error = error.exc
        if isinstance(error, WorkerLostError | SystemExit):
            process_died.set()
        elif not task.acks_on_failure and not isinstance(error, _SETTLED):
            log.error("%s[%s] is given back: %r", self.name, self.id, error)
            exc_info.exception = Reject(repr(error), requeue=True)
        super().on_failure(exc_info, *args, **kwargs)


class Task(celery.Task[Any, Any]):
    """A task of any kind, Celery's own too."""

    abstract = True
    Request = f"{__name__}:{Request.__name__}"

    def signature_from_request(self, request: Any = None, *args: Any, **options: Any) -> Any:
        """Return a copy of the call, with what hung on it when it came."""
        hung = canvas.given_back(self.request if request is None else request)
        return super().signature_from_request(request, *args, **{**hung, **options})


def set_aside(raw: bytes) -> bool:
    """Keep what is not even a message; nobody can be told. False where that has to wait."""
    try:
        for keep in _keepers:
            keep("", "", raw.decode(errors="replace"), UNREADABLE)
    except Exception as error:  # noqa: BLE001  # the same
        _outage.failed(f"What is no message waits till it can be set aside: {error}")
        return False
    return True


def _kept(message: Message, reason: str) -> bool:
    """Keep ``message``, and tell its sender; where that fails it waits unacknowledged."""
    headers = message.headers or {}
    raw = message.body or b""
    text = raw if isinstance(raw, str) else bytes(raw).decode(errors="replace")
    name, task_id = str(headers.get("task", "")), str(headers.get("id", ""))
    try:
        is_a_job = [keep(name, task_id, text, reason) for keep in _keepers]
        if task_id and not any(is_a_job):
            results.give(task_id, JobRejected(reason), _replies(message, task_id))
        hung = canvas.of_message(message)
        if hung:
            canvas.carry_out(hung, f"{task_id}/set aside", JobRejected(reason))
    except Exception as error:  # noqa: BLE001  # whatever it is, the message must not be lost
        _outage.failed(f"A message that is no job of ours waits till it can be set aside: {error}")
        return False
    _outage.over()
    return True


def _is_builtin(task: object) -> bool:
    return str(task).startswith("celery.")


def _replies(message: Message, task_id: str) -> list[tuple[str, str]]:
    reply_to = message.properties.get("reply_to")
    return [(reply_to, message.properties.get("correlation_id") or task_id)] if reply_to else []
