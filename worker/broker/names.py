"""The names of queues, streams, exchanges and keys, all of which begin with the namespace.

They are formed only here. In the default namespace they are what they were before namespaces
existed, so that old and new workers understand each other.
"""

from __future__ import annotations

from typing import Any

from tagsweep.worker import settings
from tagsweep.worker.settings.model import NAMESPACE


def queue() -> str:
    """Return the queue of the jobs: the namespace itself."""
    return settings.load().namespace


def sweeps() -> str:
    """Return the queue of the sweeps."""
    return f"{queue()}.sweep"


def parts() -> str:
    """Return the queue of parts; on the jobs' queue, small jobs would wait behind them."""
    return f"{queue()}.parts"


def queues() -> tuple[str, str, str]:
    """Return all queues that a worker serves, the one of the jobs first."""
    return queue(), sweeps(), parts()


def stream() -> str:
    """Return the Redis stream of the events."""
    return f"{queue()}:events"


def exchange() -> str:
    """Return the AMQP topic exchange of the events."""
    return f"{queue()}.events"


def taken() -> tuple[str, str]:
    """Return the keys of messages on their way to a worker, and of when each was taken."""
    return f"{queue()}.taken", f"{queue()}.taken_at"


def alive(worker: str) -> str:
    """Return the key that a worker on Redis keeps alive while it lives."""
    return f"{queue()}.alive.{worker}"


def of_control() -> dict[str, str]:
    """Return Celery's settings for its broadcasts to all workers of a broker."""
    name = queue()
    if name == NAMESPACE:
        return {}
    events = f"{name}.celeryev"
    return {"control_exchange": name, "event_exchange": events, "event_queue_prefix": events}


def of_unacknowledged() -> dict[str, Any]:
    """Return kombu's options for the Redis keys of unacknowledged messages."""
    name = queue()
    if name == NAMESPACE:
        return {}
    keys = ("unacked_key", "unacked_index_key", "unacked_mutex_key")
    suffixes = ("unacked", "unacked_index", "unacked_mutex")
    return {key: f"{name}.{suffix}" for key, suffix in zip(keys, suffixes, strict=True)}
