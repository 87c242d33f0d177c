"""The record of what a chunk changed: read before a dry run is rolled back, and written again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Table, and_, select

from tagsweep.worker.models.records import Chunk, JobRecord
from tagsweep.worker.models.tables import link_change, workspace_tag_change

#: rows of each of the tables
Rows = list[tuple[Table, list[dict[str, Any]]]]


def of(connection: Connection, job: JobRecord, chunk: Chunk) -> Rows:
    """Return what is recorded of the chunk in this run of its job."""
    recorded: Rows = []
    for table in (link_change, workspace_tag_change):
        columns = table.c
        this = and_(
            columns.job_id == job.id, columns.chunk == chunk.number, columns.run == job.ends
        )
        rows = connection.execute(select(table).where(this)).mappings()
        recorded.append((table, [dict(row) for row in rows]))
    return recorded


def put(connection: Connection, recorded: Rows, tags: Mapping[UUID, UUID]) -> None:
    """Record the rows again, each tag under the id that ``tags`` maps it to."""
    for table, rows in recorded:
        for row in rows:
            if "tag_id" in row:
                row["tag_id"] = tags[row["tag_id"]]
        if rows:
            connection.execute(table.insert(), rows)
