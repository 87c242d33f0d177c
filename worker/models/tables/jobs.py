"""Jobs, the chunks that they are split into, and what each chunk changed."""

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
    Column("tenant", String(36)),  # null if a rejected message had no valid one
    Column("kind", String(16), nullable=False),
    Column("status", String(16), nullable=False, server_default="queued"),
    Column("fingerprint", LargeBinary(32), nullable=False),
    Column("head", Document, nullable=False),  # the job without its long lists
    Column("matched", Document),  # what it acts on, as of when it was split
    Column("nonce", String(36)),  # the producer's run whose parts count; null: not a stream
    Column("parts_in", Integer, nullable=False, server_default="0"),
    Column("parts", Integer),  # how many there are; null: not known yet
    Column("part_at", Moment),  # when the last part arrived
    Column("probe_sent_at", Moment),  # of a stream that fell silent: a probe follows its parts
    Column("probed_at", Moment),  # when the probe was served
    Column("probed_parts", Integer),  # how many parts had arrived by then
    Column("open", Integer, nullable=False, server_default="0"),  # chunks not yet closed
    Column("total", BigInteger, nullable=False, server_default="0"),
    # the items that were removed; of an attach, and of an undo that puts back, added
    Column("removed", BigInteger, key="changed", nullable=False, server_default="0"),
    Column("absent", BigInteger, nullable=False, server_default="0"),
    # of a merge: those of the changed items whose resource had the other tag already
    Column("present", BigInteger, nullable=False, server_default="0"),
    Column("failed", BigInteger, nullable=False, server_default="0"),
    Column("remaining", BigInteger),  # how many selected items still matched at its end
    Column("errors", Document, nullable=False, server_default="[]"),
    Column("errors_total", Integer, nullable=False, server_default="0"),
    Column("cancelling", Boolean(create_constraint=False), nullable=False, server_default="0"),
    Column("paused", Boolean(create_constraint=False), nullable=False, server_default="0"),
    Column("ends", Integer, nullable=False, server_default="0"),  # how often it has ended
    Column("accepted_at", Moment, nullable=False, server_default=clock()),
    Column("started_at", Moment),
    Column("finished_at", Moment),
    Column("served_at", Moment),  # when a chunk of it was last applied
    Column("forgotten_at", Moment),  # when the record of what it changed was deleted
    Column("adds", Boolean(create_constraint=False), nullable=False, server_default="0"),  # an undo
    Column("as_of", Moment),  # of an undo: what was created later is not its to remove
    Column("waiting", Text),  # why it is put off: what the store refuses of it
    Column(
        "tries", Integer, nullable=False, server_default="0"
    ),  # refusals since it last progressed
    Column("retry_at", Moment),  # put off until then
    Column("mapped", Document),  # resources in tables of the operator's own; null: none
    Column("requested_by", Document),  # who asked for it, and through which door
    Column("sizes", Document),  # how many entries each list has; null: of a stream, not known yet
    Column("warnings", Document),  # what of it matches nothing; null: nothing to warn of
    Column("credential", Id),  # of whoever asked for it; null: through another door
    Column("sparing", Document),  # ids of the tags in ``unless``, as of when it was split
    Column("reverts", String(16)),  # of an undo of a ``set`` or ``merge``: that kind
    Column("waits", Document),  # what it was put off for, the latest last; null: it never was
    Index("job_tenant", "tenant", "accepted_at"),
    # lists of all tenants' jobs
    Index("job_accepted", "accepted_at"),
    # which jobs were undone
    Index(
        "job_undo",
        "tenant",
        "accepted_at",
        postgresql_where=text("kind = 'undo'"),
        sqlite_where=text("kind = 'undo'"),
    ),
    # scheduling: open jobs, and when each tenant was last served
    Index(
        "job_open",
        "accepted_at",
        postgresql_where=text("open > 0"),
        sqlite_where=text("open > 0"),
    ),
    Index("job_turn", "tenant", "served_at"),
    # retention
    Index("job_finished", "finished_at"),
    # recorded and not yet split
    Index(
        "job_queued",
        "accepted_at",
        postgresql_where=text("status = 'queued'"),
        sqlite_where=text("status = 'queued'"),
    ),
)


#: long lists as they arrived, until the job is split; resource_type 0: the part itself, and names
part = Table(
    "part",
    metadata,
    job_id(),
    Column("number", Integer, nullable=False),
    Column("resource_type", SmallInteger, nullable=False),
    Column("entries", LargeBinary),  # packed, distinct and sorted
    Column("given", Integer),  # how many entries arrived, duplicates included
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
    Column("span", Document),  # of a range, in place of ids or names: the lowest and the highest
    Column("targets", Document),  # indexes among the job's targets; null: all of them
    Column("items", BigInteger, nullable=False),
    # of an undo: the value for each of the names, or the rest of the rows for each of the ids
    Column("own_values", Names),
    Column("origin", Integer),  # of retried items: the chunk that they were in first
    Column("waiting", Text),  # why it is put off: what the store refuses of it
    Column("tries", Integer, nullable=False, server_default="0"),  # how often it was put off
    Column("retry_at", Moment),  # put off until then
    Column("pieces", Integer, nullable=False, server_default="1"),  # how many statements apply it
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

#: when the next chunk may start under the rate limit: one row
throttle = Table(
    "throttle",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("next_at", Moment, nullable=False, server_default=clock()),
)

#: until when steps are counted before they are tried, because a worker crashed: one row
alarm = Table(
    "alarm",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("until", Moment, nullable=False, server_default=clock()),
)

#: when expired rows are looked for next: one row
chore = Table(
    "chore",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("due_at", Moment, nullable=False, server_default=clock()),
)

#: what one worker at a time does: a row for each such thing
lease = Table(
    "lease",
    metadata,
    Column("name", String(16), primary_key=True),
    Column("holder", String(36)),  # the worker; null: none
    Column("until", Moment, nullable=False, server_default=clock()),
)

#: the links that each chunk removed, or, of an attach, added; read by receipts, undo and counts
link_change = Table(
    "removal",
    metadata,
    Column("job_id", Id, nullable=False),  # no foreign key: every row would be checked one by one
    Column("chunk", Integer, nullable=False),
    Column("tag_id", Id, nullable=False),  # no foreign key: it outlives the tag
    Column("resource_type", SmallInteger, nullable=False),
    Column("ids", PackedIds, nullable=False),
    Column("run", Integer, nullable=False),  # how often the job had ended by then
    Column("kept", Names),  # the rest of the rows for each of the ids, of tables that are mapped
    # of links that an undo put back, which have their old key and time: where they are, and when
    Column("restored", Id),
    Column("restored_at", Moment),
    Index("removal_job", "job_id", "chunk"),
    Index(
        "removal_restored",
        "restored",
        "restored_at",
        postgresql_where=text("restored IS NOT NULL"),
        sqlite_where=text("restored IS NOT NULL"),
    ),
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
    Column("previous", Text),  # of a tag that was set: its value before; null: there was none
    # of the undo of a set: whether the tag was taken off; ``value`` is what it had
    Column("gone", Boolean(create_constraint=False), nullable=False, server_default="0"),
    Index("workspace_removal_job", "job_id", "chunk"),
)

#: the items that failed permanently; a retry deletes them
failure = Table(
    "failure",
    metadata,
    job_id(),
    Column("chunk", Integer, nullable=False),
    Column("resource_type", SmallInteger, nullable=False),
    Column("place", String(36), nullable=False),  # a resource's UUID, or a workspace's id
    Column("target", Integer),  # index among the job's targets; null: all of them
    Column("code", String(32), nullable=False),
    Column("reason", Text, nullable=False),
    Index("failure_job", "job_id", "chunk"),
)
