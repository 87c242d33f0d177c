"""Callbacks: the end of a job, told to a URL of its own."""

from __future__ import annotations

from sqlalchemy import Connection, select

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
    """Raise InvalidJob if the job is to be called back where that is not possible.

    It takes as long as resolving the name does, a few seconds at most.
    """
    if job.callback_url is None:
        return
    own = (webhook.c.tenant == job.tenant) & (webhook.c.origin == CALLBACKS)
    if connection.execute(select(webhook.c.id).where(own)).first() is None:
        raise _invalid("no_callback_secret", UNSIGNED)
    try:
        addresses.check(job.callback_url)
    except AddressRefused as refused:
        raise _invalid("address_refused", str(refused)) from None


def _invalid(code: str, reason: str) -> InvalidJob:
    return InvalidJob([{"path": "/callback_url", "code": code, "reason": reason}])
