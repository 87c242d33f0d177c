"""What queues, streams, exchanges and keys are called: all begin with the namespace.

Only here they are made up. With the default namespace they are what they were before there was one,
so that workers of both kinds understand each other.
"""

from __future__ import annotations

from typing import Any

from tagsweep.worker import settings
from tagsweep.worker.settings import NAMESPACE


def queue() -> str:
    """Return the queue of the jobs: the namespace itself."""
    return settings.load().namespace


def sweeps() -> str:
    """Return the queue of the sweeps."""
    return f"{queue()}.sweep"


def parts() -> str:
    """Return the queue of the parts; in that of the jobs, a small one would wait behind many."""
    return f"{queue()}.parts"


def stream() -> str:
    """Return the Redis stream of the events."""
    return f"{queue()}:events"


def exchange() -> str:
    """Return the AMQP topic exchange of the events."""
    return f"{queue()}.events"


def taken() -> tuple[str, str]:
    """Return the keys of the messages on their way to a worker, and of when each was taken."""
    return f"{queue()}.taken", f"{queue()}.taken_at"


def of_control() -> dict[str, str]:
    """Return Celery's settings of what all its workers on a broker hear."""
    name = queue()
    if name == NAMESPACE:
        return {}
    events = f"{name}.celeryev"
    return {"control_exchange": name, "event_exchange": events, "event_queue_prefix": events}


def of_unacknowledged() -> dict[str, Any]:
    """Return kombu's options of the Redis keys of what workers have in hand."""
    name = queue()
    if name == NAMESPACE:
        return {}
    keys = ("unacked_key", "unacked_index_key", "unacked_mutex_key")
    suffixes = ("unacked", "unacked_index", "unacked_mutex")
    return {key: f"{name}.{suffix}" for key, suffix in zip(keys, suffixes, strict=True)}
