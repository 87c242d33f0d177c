"""What people have done: entries that are only ever added, until their time is over.

Triggers of the store refuse to change an entry, and to delete one early.
"""

from __future__ import annotations

from sqlalchemy import Column, Index, String, Table, Text, text

from tagsweep.worker.models.tables.columns import Document, metadata
from tagsweep.worker.models.tables.types import Id, Moment, clock, random_id

#: the function of the triggers on PostgreSQL
GUARD = "audit_entry_guard"

audit_entry = Table(
    "audit_entry",
    metadata,
    Column("id", Id, primary_key=True, server_default=random_id()),
    Column("at", Moment, nullable=False, server_default=clock()),
    Column("expires_at", Moment, nullable=False),  # kept until then
    Column("action", String(40), nullable=False),
    Column("tenant", String(36)),  # null: of none, or not known
    Column("requested_by", Document),  # who did it, and through which door
    Column("credential", Id),  # that proves it; null: through another door
    Column("job_id", Id),  # no foreign key: it outlives the job
    Column("kind", String(16)),  # of the job
    Column("target", Text),  # what else it was done to, such as a key
    Column("details", Document),
    Index("audit_entry_at", "at", "id"),
    Index("audit_entry_tenant", "tenant", "at", "id"),
    Index(
        "audit_entry_job",
        "job_id",
        "at",
        postgresql_where=text("job_id IS NOT NULL"),
        sqlite_where=text("job_id IS NOT NULL"),
    ),
    # retention
    Index("audit_entry_expires", "expires_at"),
)
