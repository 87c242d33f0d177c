"""Webhooks: where a tenant's events are sent, and each delivery of an event."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    Text,
    text,
)

from tagsweep.worker.models.tables.columns import Document, metadata
from tagsweep.worker.models.tables.types import Id, Moment, clock

#: a webhook; the callback secret of a tenant, which has no URL; or the URL of a job's callback
webhook = Table(
    "webhook",
    metadata,
    Column("id", Id, primary_key=True),
    Column("tenant", String(36), nullable=False),
    Column("origin", String(9), nullable=False),  # webhook, callbacks or callback
    Column("url", Text),
    Column("kinds", Document),  # of jobs whose events are sent; null: all
    Column("statuses", Document),  # likewise
    Column("sealed_secret", LargeBinary),  # encrypted: signing takes the secret; of callback: none
    Column("sealed_previous", LargeBinary),  # the one before, which signs too, until then
    Column("previous_until", Moment),
    Column("position", BigInteger, nullable=False, server_default="0"),  # of the feed: done so far
    Column("created_at", Moment, nullable=False, server_default=clock()),
    Column("failures", Integer, nullable=False, server_default="0"),  # one after the other
    Column("failing_since", Moment),
    Column("probe_at", Moment),  # while it fails: no attempt before
    Column("off_at", Moment),  # nothing is sent from then on
    Column("off_reason", Text),
    Index("webhook_tenant", "tenant"),
    Index(
        "webhook_callbacks",
        "tenant",
        unique=True,
        postgresql_where=text("origin = 'callbacks'"),
        sqlite_where=text("origin = 'callbacks'"),
    ),
    Index(
        "webhook_callback",
        "tenant",
        "url",
        unique=True,
        postgresql_where=text("origin = 'callback'"),
        sqlite_where=text("origin = 'callback'"),
    ),
)

#: an event on its way to a webhook; it has a copy of the event, whose job may expire before
delivery = Table(
    "webhook_delivery",
    metadata,
    Column("webhook_id", ForeignKey("webhook.id", ondelete="CASCADE"), type_=Id, nullable=False),
    Column("event_id", String(64), nullable=False),
    Column("job_id", Id),  # no foreign key: it outlives the job; null: a test
    Column("body", Text, nullable=False),  # as published
    Column("state", String(9), nullable=False, server_default="waiting"),
    Column("tries", SmallInteger, nullable=False, server_default="0"),  # of this schedule
    Column("due_at", Moment, nullable=False, server_default=clock()),  # while in flight: until when
    Column("created_at", Moment, nullable=False, server_default=clock()),
    Column("delivered_at", Moment),
    Column("attempts", Document, nullable=False, server_default="[]"),  # the latest ones
    PrimaryKeyConstraint("webhook_id", "event_id"),
    Index(
        "webhook_delivery_due",
        "webhook_id",
        "due_at",
        postgresql_where=text("state = 'waiting'"),
        sqlite_where=text("state = 'waiting'"),
    ),
    Index("webhook_delivery_listed", "webhook_id", "created_at", "event_id"),
    # retention
    Index("webhook_delivery_created", "created_at"),
)
