"""A plain script: ``executemany``, one statement for each link, one commit."""

from __future__ import annotations

from typing import Any

import psycopg

from benchmarks.ground import LIST_NUMBER
from benchmarks.work import Work, database_url

_DELETE = (
    "DELETE FROM tagsweep.tag_link WHERE tag_id = %s AND resource_type = %s AND resource_id = %s"
)


class Run:
    """One connection, kept."""

    def __init__(self) -> None:
        self._connection = psycopg.connect(database_url())

    def __call__(self, work: Work) -> dict[str, Any]:
        """Remove link after link."""
        with self._connection.transaction(), self._connection.cursor() as cursor:
            links = ((tag, LIST_NUMBER, one) for tag in work.tag_ids for one in work.ids)
            cursor.executemany(_DELETE, links)
        return {}
