"""SQLite's own best: one DELETE, ids in a temporary table that is in the order of its key."""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID

from benchmarks import file
from benchmarks.ground import LIST_NUMBER
from benchmarks.work import Work, database_url

_DELETE = """
DELETE FROM tag_link
WHERE tag_id = ? AND resource_type = ? AND resource_id IN (SELECT id FROM wanted)
"""


class Run:
    """One connection, kept."""

    def __init__(self) -> None:
        self._connection = file.opened(database_url())
        for pragma in ("synchronous = FULL", "cache_size = -262144", "temp_store = MEMORY"):
            self._connection.execute(f"PRAGMA {pragma}")

    def __call__(self, work: Work) -> dict[str, Any]:
        """Remove the links; return how long the DELETE and its commit took of that."""
        connection = self._connection
        connection.execute("CREATE TEMP TABLE wanted (id BLOB PRIMARY KEY) WITHOUT ROWID")
        connection.execute("BEGIN IMMEDIATE")
        ids = sorted(bytes.fromhex(one.replace("-", "")) for one in work.ids)
        connection.executemany("INSERT INTO wanted VALUES (?)", ((one,) for one in ids))
        start = time.perf_counter()
        tag = UUID(work.tag_ids[0]).bytes
        connection.execute(_DELETE, (tag, LIST_NUMBER))
        connection.execute("COMMIT")
        taken = time.perf_counter() - start
        connection.execute("DROP TABLE wanted")
        return {"delete_s": taken}
