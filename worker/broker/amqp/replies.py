"""The queue on which a sender receives its replies with ``rpc://``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from uuid import uuid4

from amqp.exceptions import NotFound
from celery import Celery
from celery.backends.rpc import RPCBackend

Result = TypeVar("Result")


def renewed(sender: Celery, step: Callable[[], Result]) -> Result:
    """Run ``step``, which declares that queue; if its node is down, run it again with another one.

    The old name stays reserved until the node is back, so a sender that kept it could not send.
    Replies that were on their way to the old queue are lost.
    """
    try:
        return step()
    except NotFound:
        backend: Any = sender.backend
        if not isinstance(sender.backend, RPCBackend):
            raise
        local: Any = sender._local  # type: ignore[attr-defined]  # noqa: SLF001  # Celery has no public way
        local.oid = backend.oid = str(uuid4())
        backend.result_consumer.on_after_fork()  # forgets the old queue and reconnects
        return step()
