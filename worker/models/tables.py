"""The tables at rest. The first five are public (CONTRACT); the rest is tagsweep's own bookkeeping.

Only ``worker.store``, ``progress``, ``outbox``, ``intake`` and the migrations touch them.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from worker.models.types import Id, Moment, PackedIds, clock, random_id

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
    }
)

#: Python values of JSON columns, and lists of short texts
Document = JSON(none_as_null=True)
Names = JSON(none_as_null=True).with_variant(ARRAY(Text), "postgresql")

#: WITHOUT ROWID: random keys in a rowid table make SQLite ten times slower
CLUSTERED = {"sqlite_with_rowid": False}

tag = Table(
    "tag",
    metadata,
    Column("id", Id, primary_key=True, server_default=random_id()),
    Column("tenant", String(36), nullable=False),
    Column("name", String(255), nullable=False),
    Column("created_at", Moment, nullable=False, server_default=clock()),
    Column("updated_at", Moment, nullable=False, server_default=clock()),
    UniqueConstraint("tenant", "name"),
)

tag_link = Table(
    "tag_link",
    metadata,
    Column("tag_id", ForeignKey("tag.id", ondelete="CASCADE"), type_=Id, nullable=False),
    Column("resource_type", SmallInteger, nullable=False),
    Column("resource_id", Id, nullable=False),
    Column("created_at", Moment, nullable=False, server_default=clock()),
    # in this order a chunk, one tag and type and a range of ids, is one stretch of the key
    PrimaryKeyConstraint("tag_id", "resource_type", "resource_id"),
    # what one resource carries, and the resources of a type in the order of their ids
    Index("tag_link_resource", "resource_type", "resource_id"),
    **CLUSTERED,
)

workspace = Table(
    "workspace",
    metadata,
    Column("tenant", String(36), primary_key=True),
    Column("id", String(36), primary_key=True),
    **CLUSTERED,
)

workspace_tag = Table(
    "workspace_tag",
    metadata,
    Column("tenant", String(36), nullable=False),
    Column("workspace_id", String(36), nullable=False),
    Column("key", Text, nullable=False),
    Column("value", Text, nullable=False, server_default=""),
    Column("system", Boolean(create_constraint=False), nullable=False, server_default="0"),
    Column("created_at", Moment, nullable=False, server_default=clock()),
    PrimaryKeyConstraint("tenant", "workspace_id", "system", "key"),
    ForeignKeyConstraint(
        ["tenant", "workspace_id"], ["workspace.tenant", "workspace.id"], ondelete="CASCADE"
    ),
    **CLUSTERED,
)

job = Table(
    "job",
    metadata,
    Column("id", Id, primary_key=True),
    Column("tenant", String(36)),  # none where a rejected message named none that is usable
    Column("kind", String(16), nullable=False),
    Column("status", String(16), nullable=False, server_default="queued"),
    Column("fingerprint", LargeBinary(32), nullable=False),
    Column("head", Document, nullable=False),  # the job but its long lists
    Column("matched", Document),  # what it acts on, as found when it was split
    Column("nonce", String(36)),  # the producer's run whose parts count; none: not a stream
    Column("parts_in", Integer, nullable=False, server_default="0"),
    Column("parts", Integer),  # how many there are; none: not known yet
    Column("open", Integer, nullable=False, server_default="0"),  # chunks not yet closed
    Column("total", BigInteger, nullable=False, server_default="0"),
    Column("removed", BigInteger, nullable=False, server_default="0"),
    Column("absent", BigInteger, nullable=False, server_default="0"),
    Column("failed", BigInteger, nullable=False, server_default="0"),
    Column("errors", Document, nullable=False, server_default="[]"),
    Column("errors_total", Integer, nullable=False, server_default="0"),
    Column("cancelling", Boolean(create_constraint=False), nullable=False, server_default="0"),
    Column("ends", Integer, nullable=False, server_default="0"),  # how often it has ended
    Column("accepted_at", Moment, nullable=False, server_default=clock()),
    Column("started_at", Moment),
    Column("finished_at", Moment),
    Column("served_at", Moment),  # when a chunk of it was last applied
    Index("job_tenant", "tenant", "accepted_at"),
    # whose turn it is: what stands open, and when each tenant was last served
    Index(
        "job_open",
        "accepted_at",
        postgresql_where=text("open > 0"),
        sqlite_where=text("open > 0"),
    ),
    Index("job_turn", "tenant", "served_at"),
    # recorded, not yet split
    Index(
        "job_queued",
        "accepted_at",
        postgresql_where=text("status = 'queued'"),
        sqlite_where=text("status = 'queued'"),
    ),
)


def _job_id() -> Column[object]:
    return Column("job_id", ForeignKey("job.id", ondelete="CASCADE"), type_=Id, nullable=False)


#: long lists as they came in, till the job is split; resource_type 0: the part itself
part = Table(
    "part",
    metadata,
    _job_id(),
    Column("number", Integer, nullable=False),
    Column("resource_type", SmallInteger, nullable=False),
    Column("ids", PackedIds),
    Column("names", Names),
    PrimaryKeyConstraint("job_id", "number", "resource_type"),
)

chunk = Table(
    "chunk",
    metadata,
    _job_id(),
    Column("number", Integer, nullable=False),
    Column("state", String(8), nullable=False),
    Column("resource_type", SmallInteger, nullable=False),
    Column("ids", PackedIds),
    Column("names", Names),
    Column("items", BigInteger, nullable=False),
    PrimaryKeyConstraint("job_id", "number"),
    Index(
        "chunk_open",
        "job_id",
        "number",
        postgresql_where=text("state = 'open'"),
        sqlite_where=text("state = 'open'"),
    ),
)

#: the links that each chunk removed: what receipts, undo and honest counts are read from
removal = Table(
    "removal",
    metadata,
    Column("job_id", Id, nullable=False),  # no foreign key: each row would be checked one by one
    Column("chunk", Integer, nullable=False),
    Column("tag_id", Id, nullable=False),  # no foreign key: it outlives the tag
    Column("resource_type", SmallInteger, nullable=False),
    Column("ids", PackedIds, nullable=False),
    PrimaryKeyConstraint("job_id", "chunk", "tag_id"),
)

workspace_removal = Table(
    "workspace_removal",
    metadata,
    Column("job_id", Id, nullable=False),
    Column("chunk", Integer, nullable=False),
    Column("workspace_id", String(36), nullable=False),
    Column("key", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("system", Boolean(create_constraint=False), nullable=False),
    PrimaryKeyConstraint("job_id", "workspace_id", "system", "key"),
    **CLUSTERED,
)

#: callers on rpc:// who wait for the answer
reply = Table(
    "reply",
    metadata,
    _job_id(),
    Column("reply_to", String(255), nullable=False),
    Column("correlation_id", String(255), nullable=False),
    PrimaryKeyConstraint("job_id", "reply_to", "correlation_id"),
)

#: one event for each end of a job, written in the transaction that ended it
outbox = Table(
    "outbox",
    metadata,
    _job_id(),
    Column("end", Integer, nullable=False),
    Column("tenant", String(36)),
    Column("event", Text, nullable=False),  # to the letter as it is published
    Column("created_at", Moment, nullable=False, server_default=clock()),
    Column("position", BigInteger, unique=True),  # in the feed
    Column("published_at", Moment),
    Column("answered_at", Moment),  # when the Celery result was stored
    PrimaryKeyConstraint("job_id", "end"),
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
)

#: how often a message came again after its worker had died
attempt = Table(
    "attempt",
    metadata,
    Column("task_id", String(255), primary_key=True),
    Column("attempts", Integer, nullable=False),
    Column("seen_at", Moment, nullable=False, server_default=clock()),
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
)
