"""Answers to those who wait in Celery's ``get()``: the relay alone gives them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from uuid import UUID

from celery import states

from worker import settings
from worker.errors import JobEnded
from worker.messaging.app import app
from worker.messaging.broker import unavailable


def are_messages() -> bool:
    """Tell whether results are messages to their callers, not entries that callers look up."""
    return settings.load().results_backend.startswith("rpc")


def give(
    job_id: UUID | str, result: dict[str, Any] | JobEnded, replies: list[tuple[str, str]]
) -> None:
    """Give a job's answer to those who wait in Celery's ``get()``: data, or an error to raise.

    Raises BrokerUnavailable where the result backend does not take it.
    """
    state = states.FAILURE if isinstance(result, Exception) else states.SUCCESS
    backend = app().backend
    requests: list[Any] = [None]
    if are_messages():
        requests = [SimpleNamespace(reply_to=to, correlation_id=name) for to, name in replies]
    with unavailable(app()):
        for request in requests:
            backend.store_result(str(job_id), result, state, request=request)
