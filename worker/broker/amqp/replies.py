"""The queue on which a sender hears the answers to its messages, with ``rpc://``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from uuid import uuid4

from amqp.exceptions import NotFound
from celery import Celery
from celery.backends.rpc import RPCBackend

Result = TypeVar("Result")


def renewed(sender: Celery, step: Callable[[], Result]) -> Result:
    """Do ``step``, which declares that queue; again, with another one, where its node is down.

    Its name is reserved till the node is back: whoever went on with it could send nothing. Answers
    that were on their way to it are heard by nobody.
    """
    try:
        return step()
    except NotFound:
        backend: Any = sender.backend
        if not isinstance(sender.backend, RPCBackend):
            raise
        local: Any = sender._local  # type: ignore[attr-defined]  # noqa: SLF001  # Celery has no other way
        local.oid = backend.oid = str(uuid4())
        backend.result_consumer.on_after_fork()  # it forgets the old queue, and connects anew
        return step()
