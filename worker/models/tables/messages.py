"""What goes out, and what came in and was no job: outbox, feed, replies, messages set aside."""

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

#: callers on rpc:// who wait for the answer, each as often as it asked: an answer serves one wait
reply = Table(
    "reply",
    metadata,
    job_id(),
    Column("reply_to", String(255), nullable=False),
    Column("correlation_id", String(255), nullable=False),
    Column("times", Integer, nullable=False, server_default="1"),
    PrimaryKeyConstraint("job_id", "reply_to", "correlation_id"),
)

#: what callers hang on a job's end (Celery's canvas), each once however often it was sent
callback = Table(
    "callback",
    metadata,
    job_id(),
    Column("digest", LargeBinary(32), nullable=False),
    Column("hung", Text, nullable=False),  # JSON, with the types that Celery's has
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
    Column("event", Text, nullable=False),  # to the letter as it is published
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

#: the last position given: one row, whose lock puts those that commit in order
feed = Table(
    "feed",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("position", BigInteger, nullable=False),
    Column("gone", BigInteger, nullable=False, server_default="0"),  # the highest that is not kept
    Column("timeline", Text),  # the store's history in which the last position was given
)

#: what became of the feed where the store's history changed: positions go on behind a gap
failover = Table(
    "failover",
    metadata,
    Column("resumed_at", BigInteger, primary_key=True, autoincrement=False),  # and from the next
    Column("after", BigInteger, nullable=False),  # the last position that the store knew
    Column("seen_at", Moment, nullable=False, server_default=clock()),
)

#: how often a message came again after its worker had died
attempt = Table(
    "attempt",
    metadata,
    Column("task_id", String(255), primary_key=True),
    Column("attempts", Integer, nullable=False),
    Column("seen_at", Moment, nullable=False, server_default=clock()),
    Index("attempt_seen", "seen_at"),
)

#: messages that are no job of ours, or another job under an id that is taken
set_aside = Table(
    "set_aside",
    metadata,
    Column("id", Id, primary_key=True),
    Column("received_at", Moment, nullable=False, server_default=clock()),
    Column("task", String(255), nullable=False),
    Column("task_id", String(255), nullable=False),
    Column("reason", Text, nullable=False),
    Column("body", Text, nullable=False),  # the first 64 KiB of it
    Index("set_aside_received", "received_at"),
)
