"""Undo a merge, and undo that: what happens to the links to ``into`` as those of the names change.

A link to ``into`` goes where the merge made it and it is still as the merge left it; undone again,
it comes back where it went.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from uuid import UUID

from sqlalchemy import Connection, TextClause

from tagsweep.worker.database.dialects import is_sqlite
from tagsweep.worker.database.statements import typed
from tagsweep.worker.models.ids import slices, unpack
from tagsweep.worker.models.records import Chunk, JobRecord, Outcome
from tagsweep.worker.models.tables import Id, PackedIds
from tagsweep.worker.store.attach import GONE, Attach
from tagsweep.worker.store.detach import Detach
from tagsweep.worker.store.merge import returning

_ATTACH, _DETACH = Attach(), Detach()
_TYPES = {name: Id() for name in ("undone", "into", "low", "high")}
_CHANGED = """
SELECT ids FROM @removal
WHERE job_id = :undone AND tag_id = :into AND resource_type = :resource_type
  AND {first} <= :high AND {last} >= :low
"""


def _changed(first: str, last: str) -> TextClause:
    return typed(_CHANGED.format(first=first, last=last), _TYPES)


_POSTGRESQL = _changed("ids[1]", "ids[cardinality(ids)]").columns(ids=PackedIds())
_SQLITE = _changed("substr(ids, 1, 16)", "substr(ids, -16)").columns(ids=PackedIds())


def apply(connection: Connection, job: JobRecord, chunk: Chunk) -> Outcome:
    """Put the names' links of the chunk back and take those to ``into`` off, or the reverse."""
    if job.mapped:
        return returning.apply(connection, job, chunk)
    other = replace(job, matched=[_target(job, chunk)["into"]])
    moved = _moved(connection, job, chunk)
    if job.adds:
        outcome = _ATTACH.apply(connection, job, chunk)
        if moved and not outcome.failed:
            _DETACH.apply(connection, other, moved)
        return outcome
    if moved and _ATTACH.apply(connection, other, moved).failed:
        failures = chunk.failures(list(unpack(chunk.ids)), "unknown_tag", GONE)
        return Outcome(0, chunk.items, failures)
    return _DETACH.apply(connection, job, chunk)


def count(connection: Connection, job: JobRecord, chunk: Chunk) -> int:
    """Return how many of the names' links ``apply`` would put back, or take off."""
    return (_ATTACH if job.adds else _DETACH).count(connection, job, chunk)


def _target(job: JobRecord, chunk: Chunk) -> dict[str, dict[str, str]]:
    return job.targets_of(chunk)[0]


def _moved(connection: Connection, job: JobRecord, chunk: Chunk) -> Chunk | None:
    """Return those resources of the chunk of which the undone job changed the link to ``into``."""
    ids = set(slices(chunk.ids))
    found = sorted({one for one in _recorded(connection, job, chunk) if one in ids})
    if not found:
        return None
    return replace(chunk, ids=b"".join(found), items=len(found), targets=[0])


def _recorded(connection: Connection, job: JobRecord, chunk: Chunk) -> Iterator[bytes]:
    low, high = chunk.ends
    values = {"undone": UUID(job.head["job"]), "into": UUID(_target(job, chunk)["into"]["id"])}
    values |= {"low": low, "high": high}
    query = _SQLITE if is_sqlite(connection) else _POSTGRESQL
    more = {"resource_type": chunk.resource_type}
    for row in connection.execute(query, {**values, **more}):
        yield from slices(row.ids)
