"""Who may call the gateway; and what workers have measured for it to show."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Table,
)

from tagsweep.worker.models.tables.columns import metadata
from tagsweep.worker.models.tables.types import Id, Moment, clock

credential = Table(
    "credential",
    metadata,
    Column("id", Id, primary_key=True),
    Column("tenant", String(36), nullable=False),
    Column("prefix", String(12), nullable=False, unique=True),  # of the key: finds the row
    Column("key_hash", LargeBinary(32), nullable=False),
    Column("operator", Boolean(create_constraint=False), nullable=False, server_default="0"),
    Column("access_key", String(20), unique=True),  # of those that sign
    Column("sealed_secret", LargeBinary),  # encrypted: a signature is checked by the secret itself
    Column("created_at", Moment, nullable=False, server_default=clock()),
    Column("revoked_at", Moment),
    Column("last_used_at", Moment),
)

#: how long chunks took: each worker adds what it has counted, every few seconds
chunk_time = Table(
    "chunk_time",
    metadata,
    Column("kind", String(16), nullable=False),
    Column("bucket", Integer, nullable=False),  # place among tagsweep.worker.chunks.timings.BOUNDS
    Column("chunks", BigInteger, nullable=False, server_default="0"),
    Column("seconds", Float(53), nullable=False, server_default="0"),
    PrimaryKeyConstraint("kind", "bucket"),
)
