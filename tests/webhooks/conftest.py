"""What tests of webhooks share: a store with settings for them, and a sender in this process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest

from tagsweep.worker.events import relay
from tagsweep.worker.models.requester import Requester
from tagsweep.worker.webhooks import operations
from tagsweep.worker.webhooks.operations import Actor
from tagsweep.worker.webhooks.sender import Sender
from tests.support import driving
from tests.support.fixtures import configured
from tests.support.hooks import SETTINGS
from tests.support.receivers import Receiver
from tests.support.stack import eventually
from tests.support.stores import Store

Sending = Callable[[], Any]


@pytest.fixture
def hooks(store: Store) -> Iterator[Store]:
    """A store on which this process makes and sends webhooks."""
    with configured(database_url=store.url, **SETTINGS):
        yield store


@contextmanager
def sending() -> Iterator[None]:
    """Run a sender in a thread of this process."""
    stop = threading.Event()
    sender = Sender(lambda: not stop.is_set())
    thread = threading.Thread(target=sender.run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def actor(tenant: str) -> Actor:
    """Return who does something in tests."""
    return Actor(tenant, Requester(name="tester", door="cli"))


def make(receiver: Receiver, tenant: str, path: str, **options: Any) -> UUID:
    """Make a webhook that sends to a path of the receiver."""
    made = operations.create(actor(tenant), {"url": receiver.url(path), **options})
    receiver.secrets[path] = [made["secret"]]
    return UUID(made["id"])


def end_job(tenant: str, **options: Any) -> str:
    """Let a job end; return the id of its event."""
    job = driving.detach_job(tenant, [], **options)
    job_id = driving.record(job)
    driving.split(job_id, at_once=True)
    relay.deliver(job_id)
    return f"{job_id}.1"


def log(tenant: str, webhook_id: UUID) -> dict[str, dict[str, Any]]:
    """Return the deliveries of a webhook, by event."""
    _, rows = operations.log(tenant, webhook_id, None, None, 1_000)
    return {row["event_id"]: row for row in rows}


def settled(tenant: str, webhook_id: UUID, state: str = "delivered") -> dict[str, dict[str, Any]]:
    """Return all deliveries of a webhook once they have this state."""

    def look() -> dict[str, dict[str, Any]] | None:
        rows = log(tenant, webhook_id)
        return rows if all(row["state"] == state for row in rows.values()) else None

    found: dict[str, dict[str, Any]] = eventually(look)
    return found
