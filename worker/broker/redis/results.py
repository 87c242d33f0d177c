"""Celery's results on Redis, many at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from celery import states


def store(backend: Any, results: Sequence[tuple[str, str, object]]) -> None:
    """Store results, each a task's id, its state and its value, as Celery's backend does one.

    A success that is stored already stays. Raises what the client, or the backend, raises.
    """
    keys = [backend.get_key_for_task(task_id) for task_id, _, _ in results]
    known = backend.ensure(backend.client.mget, (keys,))
    new = [
        (
            key,
            _written(backend, *result),
            backend.failure_expires if result[1] == states.FAILURE else backend.expires,
        )
        for key, result, before in zip(keys, results, known, strict=True)
        if not (before and backend.decode_result(before)["status"] == states.SUCCESS)
    ]
    if new:
        backend.ensure(_send, (backend, new))


def _written(backend: Any, task_id: str, state: str, value: object) -> Any:
    encoded = backend.encode_result(value, state)
    meta = backend._get_result_meta(encoded, state, None, None)  # noqa: SLF001  # as store_result
    return backend.encode({**meta, "task_id": task_id})


def _expires(backend: Any, state: str) -> Any:
    return backend.failure_expires if state == states.FAILURE else backend.expires


def _send(backend: Any, new: Sequence[tuple[Any, Any, Any]]) -> None:
    with backend.client.pipeline(transaction=False) as pipe:
        for key, written, expires in new:
            pipe.set(key, written, ex=expires or None)
            pipe.publish(key, written)
        pipe.execute()
