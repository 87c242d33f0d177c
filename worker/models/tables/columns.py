"""What the tables share: their schema, and kinds of columns."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Column, ForeignKey, MetaData, Text
from sqlalchemy.dialects.postgresql import ARRAY

from tagsweep.worker.models.tables.types import Id

#: the tables' schema on PostgreSQL, unless ``database.location`` finds them in another
SCHEMA = "tagsweep"

metadata = MetaData(
    schema=SCHEMA,
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
    },
)

#: Python values of JSON columns, and lists of short texts
Document = JSON(none_as_null=True)
Names = JSON(none_as_null=True).with_variant(ARRAY(Text), "postgresql")

#: WITHOUT ROWID: random keys in a rowid table slow SQLite down
CLUSTERED: dict[str, Any] = {"sqlite_with_rowid": False}


def job_id() -> Column[object]:
    """Return the column that refers to a row's job, with which the row is deleted."""
    return Column("job_id", ForeignKey("job.id", ondelete="CASCADE"), type_=Id, nullable=False)
