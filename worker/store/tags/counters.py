"""Counters of links, which a map may name as a column of its tags."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import Connection

from tagsweep.worker.database import pipelines
from tagsweep.worker.store.layout import Layout
from tagsweep.worker.store.statements import counting


def move(connection: Connection, at: Layout, lines: Mapping[UUID, int]) -> None:
    """Move the counters of tags by so many links each, if there are any; may be pipelined."""
    if not (at.counter and lines):
        return
    moved = sorted(lines.items())
    packed = b"".join(tag_id.bytes for tag_id, _ in moved)
    values = {"tags": packed, "lines": [number for _, number in moved]}
    pipelines.send(connection, counting(at), values)
