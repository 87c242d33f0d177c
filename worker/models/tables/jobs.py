"""Jobs, the chunks that they are split into, and what each chunk removed."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
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

from tagsweep.worker.models.tables.columns import (
    Document,
    Names,
    job_id,
    metadata,
)
from tagsweep.worker.models.tables.types import (
    Id,
    Moment,
    PackedIds,
    clock,
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
    Column("part_at", Moment),  # when the last part came in
    Column("probe_sent_at", Moment),  # a probe goes behind the parts of a stream that fell silent
    Column("probed_at", Moment),  # when it was served
    Column("probed_parts", Integer),  # how many parts were in by then
    Column("open", Integer, nullable=False, server_default="0"),  # chunks not yet closed
    Column("total", BigInteger, nullable=False, server_default="0"),
    # of an attach, and of an undo that adds: the items that were added
    Column("removed", BigInteger, key="changed", nullable=False, server_default="0"),
    Column("absent", BigInteger, nullable=False, server_default="0"),
    Column("failed", BigInteger, nullable=False, server_default="0"),
    Column("remaining", BigInteger),  # what still carried what "*" selected, at its end
    Column("errors", Document, nullable=False, server_default="[]"),
    Column("errors_total", Integer, nullable=False, server_default="0"),
    Column("cancelling", Boolean(create_constraint=False), nullable=False, server_default="0"),
    Column("paused", Boolean(create_constraint=False), nullable=False, server_default="0"),
    Column("ends", Integer, nullable=False, server_default="0"),  # how often it has ended
    Column("accepted_at", Moment, nullable=False, server_default=clock()),
    Column("started_at", Moment),
    Column("finished_at", Moment),
    Column("served_at", Moment),  # when a chunk of it was last applied
    Column("forgotten_at", Moment),  # when the record of what it removed went; it cannot be undone
    Column("adds", Boolean(create_constraint=False), nullable=False, server_default="0"),  # an undo
    Column("as_of", Moment),  # of an undo: what came to be later is not its to take off
    Column("waiting", Text),  # why it is put off: what the store refuses of it
    Column("tries", Integer, nullable=False, server_default="0"),  # refused since it last got on
    Column("retry_at", Moment),  # put off till then
    Index("job_tenant", "tenant", "accepted_at"),
    # whose turn it is: what stands open, and when each tenant was last served
    Index(
        "job_open",
        "accepted_at",
        postgresql_where=text("open > 0"),
        sqlite_where=text("open > 0"),
    ),
    Index("job_turn", "tenant", "served_at"),
    # what is kept too long
    Index("job_finished", "finished_at"),
    # recorded, not yet split
    Index(
        "job_queued",
        "accepted_at",
        postgresql_where=text("status = 'queued'"),
        sqlite_where=text("status = 'queued'"),
    ),
)


#: long lists as they came in, till the job is split; resource_type 0: the part itself, and names
part = Table(
    "part",
    metadata,
    job_id(),
    Column("number", Integer, nullable=False),
    Column("resource_type", SmallInteger, nullable=False),
    Column("entries", LargeBinary),  # packed, distinct and sorted
    PrimaryKeyConstraint("job_id", "number", "resource_type"),
)

chunk = Table(
    "chunk",
    metadata,
    job_id(),
    Column("number", Integer, nullable=False),
    Column("state", String(8), nullable=False),
    Column("resource_type", SmallInteger, nullable=False),
    Column("ids", PackedIds),
    Column("names", Names),
    Column(
        "span", Document
    ),  # of a selection, in place of ids or names: the lowest and the highest
    Column("targets", Document),  # places among the job's targets; none: all of them
    Column("items", BigInteger, nullable=False),
    Column("own_values", Names),  # of an undo, beside the names: the value of each
    Column("origin", Integer),  # of items that are tried again: the chunk that they were in first
    Column("waiting", Text),  # why it is put off: what the store refuses of it
    Column("tries", Integer, nullable=False, server_default="0"),  # how often it was put off
    Column("retry_at", Moment),  # put off till then
    Column("pieces", Integer, nullable=False, server_default="1"),  # statements that apply it
    PrimaryKeyConstraint("job_id", "number"),
    Index(
        "chunk_open",
        "job_id",
        "number",
        postgresql_where=text("state = 'open'"),
        sqlite_where=text("state = 'open'"),
    ),
    Index(
        "chunk_origin",
        "job_id",
        "origin",
        postgresql_where=text("origin IS NOT NULL"),
        sqlite_where=text("origin IS NOT NULL"),
    ),
)

#: when the next chunk may begin, where there is a ceiling on the rate: one row
throttle = Table(
    "throttle",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("next_at", Moment, nullable=False, server_default=clock()),
)

#: till when each step is counted before it is tried, because a worker died of one: one row
alarm = Table(
    "alarm",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("until", Moment, nullable=False, server_default=clock()),
)

#: when what is kept too long is looked for next: one row
chore = Table(
    "chore",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("due_at", Moment, nullable=False, server_default=clock()),
)

#: the links that each chunk changed (removed; of an attach, added): what receipts, undo and honest
#: counts are read from
link_change = Table(
    "removal",
    metadata,
    Column("job_id", Id, nullable=False),  # no foreign key: each row would be checked one by one
    Column("chunk", Integer, nullable=False),
    Column("tag_id", Id, nullable=False),  # no foreign key: it outlives the tag
    Column("resource_type", SmallInteger, nullable=False),
    Column("ids", PackedIds, nullable=False),
    Column("run", Integer, nullable=False),  # how often the job had ended by then
    Index("removal_job", "job_id", "chunk"),
)

workspace_tag_change = Table(
    "workspace_removal",
    metadata,
    Column("job_id", Id, nullable=False),
    Column("chunk", Integer, nullable=False),
    Column("workspace_id", String(36), nullable=False),
    Column("key", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("system", Boolean(create_constraint=False), nullable=False),
    Column("run", Integer, nullable=False),
    Index("workspace_removal_job", "job_id", "chunk"),
)

#: the items that failed for good; a retry takes them out again
failure = Table(
    "failure",
    metadata,
    job_id(),
    Column("chunk", Integer, nullable=False),
    Column("resource_type", SmallInteger, nullable=False),
    Column("place", String(36), nullable=False),  # a resource's UUID, or a workspace's id
    Column("target", Integer),  # place among the job's targets; none: all of them
    Column("code", String(32), nullable=False),
    Column("reason", Text, nullable=False),
    Index("failure_job", "job_id", "chunk"),
)
