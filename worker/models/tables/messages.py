"""Outbox, feed, replies and callbacks; and messages that were not jobs, set aside."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
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

from tagsweep.worker.models.tables.columns import job_id, metadata
from tagsweep.worker.models.tables.types import Id, Moment, clock

#: callers on rpc:// who wait for a result, each as often as it asked: a result serves one wait
reply = Table(
    "reply",
    metadata,
    job_id(),
    Column("reply_to", String(255), nullable=False),
    Column("correlation_id", String(255), nullable=False),
    Column("times", Integer, nullable=False, server_default="1"),
    PrimaryKeyConstraint("job_id", "reply_to", "correlation_id"),
)

#: what callers attached to a job's end (Celery's canvas), once however often it was sent
callback = Table(
    "callback",
    metadata,
    job_id(),
    Column("digest", LargeBinary(32), nullable=False),
    Column("hung", Text, nullable=False),  # JSON, with Celery's types
    Column("carried_out_at", Moment),
    PrimaryKeyConstraint("job_id", "digest"),
)

#: one event for each end of a job, written in the transaction that ended it
outbox = Table(
    "outbox",
    metadata,
    job_id(),
    Column("end", Integer, nullable=False),
    Column("tenant", String(36)),
    Column("event", Text, nullable=False),  # exactly as published
    Column("created_at", Moment, nullable=False, server_default=clock()),
    Column("position", BigInteger, unique=True),  # in the feed
    Column("published_at", Moment),
    Column("answered_at", Moment),  # when the Celery result was stored
    PrimaryKeyConstraint("job_id", "end"),
    Index("outbox_tenant", "tenant", "position"),
    Index(
        "outbox_waiting",
        "created_at",
        postgresql_where=text("published_at IS NULL OR answered_at IS NULL OR position IS NULL"),
        sqlite_where=text("published_at IS NULL OR answered_at IS NULL OR position IS NULL"),
    ),
)

#: the last position assigned: one row, whose lock orders the commits
feed = Table(
    "feed",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("position", BigInteger, nullable=False),
    Column("gone", BigInteger, nullable=False, server_default="0"),  # the highest that was deleted
    Column("timeline", Text),  # the server's timeline at the last position
)

#: failovers: after each, positions continue behind a gap
failover = Table(
    "failover",
    metadata,
    Column("resumed_at", BigInteger, primary_key=True, autoincrement=False),  # the next position
    Column("after", BigInteger, nullable=False),  # the last position known before
    Column("seen_at", Moment, nullable=False, server_default=clock()),
)

#: how often a message was redelivered after its worker crashed
attempt = Table(
    "attempt",
    metadata,
    Column("task_id", String(255), primary_key=True),
    Column("attempts", Integer, nullable=False),
    Column("seen_at", Moment, nullable=False, server_default=clock()),
    Index("attempt_seen", "seen_at"),
)

#: messages that are not valid jobs, or are another job under an id that is taken
set_aside = Table(
    "set_aside",
    metadata,
    Column("id", Id, primary_key=True),
    Column("received_at", Moment, nullable=False, server_default=clock()),
    Column("task", String(255), nullable=False),
    Column("task_id", String(255), nullable=False),
    Column("reason", Text, nullable=False),
    Column("body", Text, nullable=False),  # its first 64 KiB
    Index("set_aside_received", "received_at"),
)
