"""Who may call the gateway, and who is signed in to its console; the chunk times it shows."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
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
    Column("tenant", String(36), nullable=False),  # empty: of an admin, who belongs to none
    Column("prefix", String(12), nullable=False, unique=True),  # of the key: identifies the row
    Column("key_hash", LargeBinary(32), nullable=False),
    Column("operator", Boolean(create_constraint=False), nullable=False, server_default="0"),
    Column("access_key", String(20), unique=True),  # of callers that sign requests
    Column(
        "sealed_secret", LargeBinary
    ),  # encrypted, not hashed: verifying a signature takes the secret
    Column("created_at", Moment, nullable=False, server_default=clock()),
    Column("revoked_at", Moment),
    Column("last_used_at", Moment),
    Column("name", String(100)),
    Column(
        "scopes", String(60), nullable=False, server_default="read preview write undo approve"
    ),  # separated by blanks
    Column("admin", Boolean(create_constraint=False), nullable=False, server_default="0"),
    Column("expires_at", Moment),
)


def _token_table(name: str) -> Table:
    return Table(
        name,
        metadata,
        Column("token_hash", LargeBinary(32), primary_key=True),  # of 256 random bits
        Column(
            "credential_id",
            ForeignKey("credential.id", ondelete="CASCADE"),
            type_=Id,
            nullable=False,
        ),
        Column("created_at", Moment, nullable=False, server_default=clock()),
        Column("seen_at", Moment, nullable=False, server_default=clock()),
    )


#: browsers that are signed in to the console
console_session = _token_table("console_session")
#: one-time links that sign a browser in
sign_in_link = _token_table("sign_in_link")

#: how long chunks took: each worker adds its counts every few seconds
chunk_time = Table(
    "chunk_time",
    metadata,
    Column("kind", String(16), nullable=False),
    Column("bucket", Integer, nullable=False),  # index in tagsweep.worker.chunks.timings.BOUNDS
    Column("chunks", BigInteger, nullable=False, server_default="0"),
    Column("seconds", Float(53), nullable=False, server_default="0"),
    PrimaryKeyConstraint("kind", "bucket"),
)
