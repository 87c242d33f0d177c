"""The limit: one set-based DELETE, ids in a temporary table, one connection, nothing recorded."""

from __future__ import annotations

import time
from typing import Any

import psycopg

from benchmarks.ground import LIST_NUMBER
from benchmarks.work import Work, database_url

_DELETE = """
DELETE FROM tagsweep.tag_link AS link USING wanted
WHERE link.tag_id {} AND link.resource_type = %s AND link.resource_id = wanted.id
"""


class Run:
    """One connection, kept."""

    def __init__(self) -> None:
        self._connection = psycopg.connect(database_url(), options="-c jit=off")

    def __call__(self, work: Work) -> dict[str, Any]:
        """Remove the links; return how long the DELETE and its commit took of that."""
        connection = self._connection
        connection.execute("CREATE TEMP TABLE wanted (id uuid) ON COMMIT DROP")
        with connection.cursor().copy("COPY wanted FROM STDIN") as copy:
            copy.write("\n".join(work.ids) + "\n")
        connection.execute("ANALYZE wanted")
        start = time.perf_counter()
        one = len(work.tags) == 1
        tags = work.tag_ids[0] if one else work.tag_ids
        connection.execute(_DELETE.format("= %s" if one else "= ANY (%s)"), (tags, LIST_NUMBER))
        connection.commit()
        return {"delete_s": time.perf_counter() - start}
