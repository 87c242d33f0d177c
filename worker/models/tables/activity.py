"""What workers have done lately, and which of them there are."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, PrimaryKeyConstraint, String, Table, Text

from tagsweep.worker.models.tables.columns import metadata
from tagsweep.worker.models.tables.types import Id, Moment, clock

#: items that were done in a minute: each worker adds its own every few seconds
throughput = Table(
    "throughput",
    metadata,
    Column("tenant", String(36), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("minute", Moment, nullable=False),  # when it begins
    Column("items", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant", "minute", "kind"),
    # of all tenants; retention
    Index("throughput_minute", "minute"),
)

#: workers: each is noted about once a minute, and when it has worked
heartbeat = Table(
    "heartbeat",
    metadata,
    Column("name", String(255), primary_key=True),  # of the Celery node
    Column("queues", Text, nullable=False),  # separated by blanks
    Column("processes", Integer, nullable=False),
    Column("started_at", Moment, nullable=False, server_default=clock()),
    Column("seen_at", Moment, nullable=False, server_default=clock()),
    Column("items", BigInteger, nullable=False, server_default="0"),  # that it has done
    Column("worked_at", Moment),  # when it last did any
    Column("job_id", Id),  # of which job; no foreign key: it outlives the job
)
