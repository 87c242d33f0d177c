"""Callbacks: the end of a job, told to a URL of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Row, select

from tagsweep.worker.errors import InvalidJob
from tagsweep.worker.models.jobs import Job
from tagsweep.worker.models.tables import webhook
from tagsweep.worker.webhooks import addresses
from tagsweep.worker.webhooks.addresses import AddressRefused

#: what a row is: a webhook, the callback secret of a tenant, or the URL of a job's callback
WEBHOOK, CALLBACKS, CALLBACK = "webhook", "callbacks", "callback"

UNSIGNED = (
    "The tenant has no callback secret, with which it would be signed: make one with "
    "`tagsweep webhooks rotate --callbacks`, or POST /api/v1/webhooks/callbacks/rotate."
)


def check(connection: Connection, job: Job) -> None:
    """Raise InvalidJob if the job cannot be called back, wherever the name in its URL leads.

    No name is resolved, since a transaction is open: ``check_address`` does that before it.
    """
    if job.callback_url is None:
        return
    if find(connection, job.tenant) is None:
        raise _invalid("no_callback_secret", UNSIGNED)
    with _refusing():
        addresses.check_as_written(job.callback_url)


def find(connection: Connection, tenant: str) -> Row[Any, Any, Any] | None:
    """Return the callback secret of a tenant, encrypted; None if it has none."""
    query = select(webhook.c.id, webhook.c.sealed_secret, webhook.c.previous_until)
    own = (webhook.c.tenant == tenant) & (webhook.c.origin == CALLBACKS)
    return connection.execute(query.where(own)).one_or_none()


def check_address(url: str) -> None:
    """Raise InvalidJob if nothing may be sent to ``url``; never call it within a transaction.

    It waits until the name is resolved, for ``addresses.LOOKUP_S`` at most.
    """
    with _refusing():
        addresses.check(url)


async def check_address_async(url: str) -> None:
    """Do the same without blocking the event loop."""
    with _refusing():
        await addresses.check_async(url)


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except AddressRefused as refused:
        raise _invalid("address_refused", str(refused)) from None


def _invalid(code: str, reason: str) -> InvalidJob:
    return InvalidJob([{"path": "/callback_url", "code": code, "reason": reason}])
