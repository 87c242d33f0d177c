"""New secrets: of a webhook, and of the callbacks of a tenant's jobs."""

from __future__ import annotations

import hashlib
from typing import Any
from uuid import UUID, uuid4

from pydantic import SecretStr
from sqlalchemy import Connection, Row, select, update

from tagsweep.worker.database.dialects import insert_missing
from tagsweep.worker.models.tables import ago, webhook
from tagsweep.worker.webhooks import callbacks, endpoints, signing
from tagsweep.worker.webhooks.callbacks import CALLBACKS
from tagsweep.worker.webhooks.endpoints import NoSuchWebhook
from tagsweep.worker.webhooks.requests import DoneBefore

#: how long the secret before signs too
OVERLAP_S = 86_400


def version(row: Row[*tuple[Any, ...]] | None) -> str:
    """Return what tells the secret of a row from all others, and does not tell the secret.

    It is empty if there is no row.
    """
    return hashlib.sha256(row.sealed_secret).hexdigest()[:32] if row is not None else ""


def rotate(
    connection: Connection,
    tenant: str,
    webhook_id: UUID,
    given: SecretStr | None,
    replaced: str | None = None,
) -> dict[str, Any]:
    """Give a webhook a new secret, beside which the old one signs for a day; return it with that.

    ``replaced``: the version of the secret that this one replaces; None: whichever there is. Raises
    NoSuchWebhook, SettingsError; DoneBefore if the secret is another by now.
    """
    row = endpoints.find(connection, tenant, webhook_id)
    secret = _replace(connection, row.id, given, replaced)
    return endpoints.shown(endpoints.find(connection, tenant, webhook_id)) | {"secret": secret}


def rotate_callbacks(
    connection: Connection, tenant: str, given: SecretStr | None, replaced: str | None = None
) -> dict[str, Any]:
    """Give the tenant a new callback secret; the old one, if any, signs for a day; return it.

    Raises SettingsError; DoneBefore if the secret is another by now.
    """
    row = callbacks.find(connection, tenant)
    if row is None and replaced:
        raise DoneBefore
    if row is None and (secret := _first(connection, tenant, given)):
        return {"tenant": tenant, "secret": secret}
    row = row or callbacks.find(connection, tenant)
    if row is None:  # not even somebody else has made one
        raise DoneBefore
    return {"tenant": tenant, "secret": _replace(connection, row.id, given, replaced)}


def _first(connection: Connection, tenant: str, given: SecretStr | None) -> str | None:
    """Make the tenant's callback secret; return None if there is one now."""
    webhook_id, secret = uuid4(), signing.given_or_new(given)
    row = {"id": webhook_id, "tenant": tenant, "origin": CALLBACKS}
    row |= {"sealed_secret": signing.seal(secret, webhook_id)}
    row |= {"position": endpoints.now(connection)}
    once = insert_missing(connection, webhook).returning(webhook.c.id)
    return None if connection.execute(once, row).one_or_none() is None else secret


def _replace(
    connection: Connection, webhook_id: UUID, given: SecretStr | None, replaced: str | None
) -> str:
    this = webhook.c.id == webhook_id
    locked = select(webhook.c.sealed_secret).where(this).with_for_update()
    row = connection.execute(locked).one_or_none()
    if row is None:  # deleted meanwhile
        raise NoSuchWebhook
    if replaced not in (None, version(row)):
        raise DoneBefore
    secret = signing.given_or_new(given)
    values = {
        "sealed_previous": webhook.c.sealed_secret,
        "previous_until": ago(-OVERLAP_S),
        "sealed_secret": signing.seal(secret, webhook_id),
    }
    connection.execute(update(webhook).where(this).values(values))
    return secret
