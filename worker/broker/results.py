"""Celery results of jobs, which only the relay stores."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from celery import Celery, states
from celery.backends.base import DisabledBackend
from celery.exceptions import TaskRevokedError
from celery.exceptions import TimeoutError as CeleryTimeout

from tagsweep.worker import settings
from tagsweep.worker.broker import names, sending
from tagsweep.worker.broker.amqp.replies import renewed
from tagsweep.worker.broker.amqp.transport import confirmed_together
from tagsweep.worker.broker.app import BRIEF, SILENT_S, app
from tagsweep.worker.broker.error_replies import Server
from tagsweep.worker.broker.redis import results as results_on_redis
from tagsweep.worker.broker.sending import unavailable
from tagsweep.worker.errors import JobEnded, JobRevoked, TagsweepError
from tagsweep.worker.settings import REDIS, scheme

#: seconds that a worker may take to report a job's status
STATUS_S = 2.0


def are_messages() -> bool:
    """Return whether results are messages to their callers, not entries that callers look up."""
    return settings.load().results_backend.startswith("rpc")


#: a job, its result (data, or an error to raise), and pairs of reply queue and correlation id
Answer = tuple[UUID | str, dict[str, Any] | JobEnded, list[tuple[str, str]]]


def give(
    job_id: UUID | str, result: dict[str, Any] | JobEnded, replies: list[tuple[str, str]]
) -> None:
    """Store a job's result for callers of Celery's ``get()``; raises as ``give_all``."""
    give_all([(job_id, result, replies)])


def give_all(answers: Sequence[Answer]) -> None:
    """Store the results of jobs for callers of Celery's ``get()``: data, or an error to raise.

    Raises BrokerUnavailable if the result backend does not accept all of them.
    """
    backend: Any = app().backend
    with unavailable(_server(app())):
        if are_messages():
            _reply(backend, answers)
            return
        found = [
            (name, *outcome(result))
            for job_id, result, replies in answers
            for name in dict.fromkeys([str(job_id), *(name for _, name in replies)])
        ]
        if scheme(settings.load().results_backend) in REDIS:
            results_on_redis.store(backend, found)
            return
        for name, state, value in found:
            backend.store_result(name, value, state)


def _reply(backend: Any, answers: Sequence[Answer]) -> None:
    """Send replies as Celery's backend sends one, and wait once until the broker has them all."""
    replies = [
        (reply_to, name, *outcome(result))
        for _, result, waiting in answers
        for reply_to, name in waiting
    ]
    if not replies:
        return

    def send() -> None:
        with confirmed_together(producer.channel, SILENT_S):
            for reply_to, name, state, value in replies:
                producer.publish(
                    # its caller waits for the id exactly as it spelled it
                    backend._to_result(name, state, value, None, None),  # noqa: SLF001  # as store_result
                    exchange=backend.exchange,
                    routing_key=reply_to,
                    correlation_id=name,
                    serializer=backend.serializer,
                    delivery_mode=backend.delivery_mode,
                )

    producer: Any
    with app().amqp.producer_pool.acquire(block=True) as producer:
        # by default it retries for a minute, and the relay holds a transaction
        producer.connection.ensure(producer, send, **BRIEF)()


def outcome(result: dict[str, Any] | JobEnded) -> tuple[str, Any]:
    """Return Celery's state for ``result``, and the value to store."""
    if isinstance(result, JobRevoked):
        return states.REVOKED, TaskRevokedError(str(result))
    return (states.FAILURE if isinstance(result, Exception) else states.SUCCESS), result


def forget(job_id: UUID | str) -> None:
    """Delete the result of a job that runs again: Celery ignores any result after a success.

    Raises BrokerUnavailable if the result backend does not answer.
    """
    if not are_messages():
        with unavailable(_server(app())):
            app().backend.forget(str(job_id))


def check() -> None:
    """Raise BrokerUnavailable if the result backend accepts no results."""
    name = str(uuid4())  # nobody's
    with unavailable(_server(app())):
        backend: Any = app().backend
        backend.store_result(name, None, states.SUCCESS)
        backend.forget(name)


def expect(sender: Celery, job_id: str) -> None:
    """Prepare to receive the result of a job that is not sent as a Celery task call."""

    def declare() -> None:
        with sender.amqp.producer_pool.acquire(block=True) as producer:
            sender.backend.on_task_call(producer, job_id)

    with unavailable(_server(sender)):
        renewed(sender, declare)


def wait(sender: Celery, job_id: str, timeout: float | None) -> dict[str, Any]:
    """Return a job's completion data once it has ended; raises what ``give`` was given to raise.

    Raises TimeoutError after ``timeout`` seconds, TagsweepError without a result backend.
    """
    _require_backend(sender)
    asked: Any = sender.AsyncResult(job_id)
    try:
        with unavailable(_server(sender)):
            data: dict[str, Any] = asked.get(timeout=timeout)
    except CeleryTimeout:
        message = f"Job {job_id} has not ended within {timeout} s; it continues."
        raise TimeoutError(message) from None
    finally:
        # now, because at interpreter shutdown there is no network any more
        asked.backend.remove_pending_result(asked)
        asked.backend = None
    return data


def status(sender: Celery, job_id: str) -> str:
    """Return a job's status as a worker reports it; ``queued`` if none answers in time."""
    _require_backend(sender)
    with unavailable(sending.server(sender)):
        options: Any = {"queue": names.queue(), "expires": STATUS_S}
        asked = renewed(sender, partial(sender.send_task, "tags.status", [job_id], **options))
        try:
            return str(asked.get(timeout=STATUS_S)["status"])
        except CeleryTimeout:
            return "queued"
        finally:
            asked.forget()


def _server(sender: Celery) -> Server:
    """Return the server that takes results: with ``rpc://``, the broker."""
    url = str(sender.conf.result_backend or "")
    if url.startswith("rpc"):
        return sending.server(sender)
    return Server("result backend", "TAGSWEEP_RESULTS_URL", url)


def _require_backend(sender: Celery) -> None:
    if isinstance(sender.backend, DisabledBackend):
        raise TagsweepError(
            "There is no result backend to ask: set TAGSWEEP_RESULTS_URL, or read the events."
        )
