"""From the feed to deliveries: each webhook has read its tenant's events up to a position.

The feed's positions become visible in their order, so nothing is missed and nothing is read twice;
where a tenant has no webhook, nothing is read at all.
"""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, Row, select, update

from tagsweep.worker import database
from tagsweep.worker.database.dialects import INSERTS
from tagsweep.worker.events import reading
from tagsweep.worker.models.tables import job as jobs
from tagsweep.worker.models.tables import outbox as outbox_table
from tagsweep.worker.models.tables import webhook
from tagsweep.worker.webhooks import deliveries, matching
from tagsweep.worker.webhooks.callbacks import CALLBACK, CALLBACKS

#: webhooks, and events of each, that are looked at before deliveries go on
MOST_WEBHOOKS, MOST_EVENTS = 100, 200


def run() -> bool:
    """Make deliveries of what has ended since; return whether there was anything."""
    with database.reading() as connection:
        behind = connection.execute(_BEHIND).scalars().all()
    for webhook_id in behind:
        with database.transaction() as connection:
            _advance(connection, webhook_id)
    return bool(behind)


def any_webhook(connection: Connection) -> bool:
    """Tell whether there is any webhook, or any tenant whose jobs may have callbacks."""
    return connection.execute(select(webhook.c.id).limit(1)).first() is not None


_NEWS = (
    select(outbox_table.c.job_id)
    .where(outbox_table.c.tenant == webhook.c.tenant)
    .where(outbox_table.c.position > webhook.c.position)
    .exists()
)
_BEHIND = (
    select(webhook.c.id)
    .where(webhook.c.origin != CALLBACK, webhook.c.off_at.is_(None), _NEWS)
    .limit(MOST_WEBHOOKS)
)


def _advance(connection: Connection, webhook_id: UUID) -> None:
    """Let a webhook read on, unless another process is doing so."""
    this = select(webhook).where(webhook.c.id == webhook_id, webhook.c.off_at.is_(None))
    hook = connection.execute(this.with_for_update(skip_locked=True)).one_or_none()
    if hook is None:
        return
    rows = reading.of_tenant(connection, hook.tenant, hook.position, MOST_EVENTS)
    if not rows:
        return
    if hook.origin == CALLBACKS:
        _call_back(connection, hook.tenant, {row.event: row.job_id for row in rows})
    else:
        events = [row.event for row in rows if matching.is_for(hook, json.loads(row.event))]
        deliveries.add(connection, hook.id, events)
    moved = update(webhook).where(webhook.c.id == hook.id).values(position=rows[-1].position)
    connection.execute(moved)


def _call_back(connection: Connection, tenant: str, ended: dict[str, UUID]) -> None:
    """Make deliveries to the URLs that jobs have of their own; ``ended``: jobs by event."""
    query = select(jobs.c.id, jobs.c.head).where(jobs.c.id.in_(set(ended.values())))
    heads: dict[UUID, dict[str, Any]] = {row.id: row.head for row in connection.execute(query)}
    for event, job_id in ended.items():
        url = heads.get(job_id, {}).get("callback_url")
        if url is not None:
            deliveries.add(connection, _callback(connection, tenant, url).id, [event])


def _callback(connection: Connection, tenant: str, url: str) -> Row[Any]:
    """Return the row of a callback's URL; a job that asks for it switches it on."""
    own = {"tenant": tenant, "origin": CALLBACK, "url": url}
    insert = INSERTS[connection.dialect.name](webhook).values(id=uuid4(), **own)
    connection.execute(insert.on_conflict_do_nothing())
    this = [getattr(webhook.c, name) == value for name, value in own.items()]
    on = {"off_at": None, "off_reason": None, "failures": 0, "failing_since": None}
    is_off = webhook.c.off_at.is_not(None)
    connection.execute(update(webhook).where(*this, is_off).values(on | {"probe_at": None}))
    return connection.execute(select(webhook).where(*this)).one()
