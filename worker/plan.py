"""Split a recorded job: find what it acts on, cut its lists into chunks, and open them.

Lists that are in the worker's hands are cut there. Lists that lie in the store in many parts are
sorted and cut by the database itself, however long they are: a worker's memory stays flat.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from operator import itemgetter
from uuid import UUID

from sqlalchemy import Connection, and_, bindparam, delete, func, insert, select, text

from worker import chunks, progress, throttle
from worker.models.records import Chunk, JobRecord, Lists
from worker.models.resources import slices
from worker.models.tables import chunk as chunk_table
from worker.models.tables import part
from worker.models.types import Id
from worker.store import KINDS

#: rows of chunks sent at once
_BATCH = 50

_CUT_IDS = text("""
INSERT INTO chunk (job_id, number, state, resource_type, ids, items)
SELECT :job_id, (row_number() OVER (ORDER BY resource_type, place)) - 1, 'open', resource_type,
       array_agg(id ORDER BY id), count(*) * :targets
FROM (
    SELECT resource_type, id,
           (row_number() OVER (PARTITION BY resource_type ORDER BY id) - 1) / :most AS place
    FROM (
        SELECT DISTINCT part.resource_type, listed.id
        FROM part, unnest(part.ids) AS listed (id) WHERE part.job_id = :job_id
    ) AS each
) AS placed
GROUP BY resource_type, place
""").bindparams(bindparam("job_id", type_=Id()))

_CUT_NAMES = text("""
INSERT INTO chunk (job_id, number, state, resource_type, names, items)
SELECT :job_id, place, 'open', 0, array_agg(name ORDER BY name), count(*) * :targets
FROM (
    SELECT name, (row_number() OVER (ORDER BY name) - 1) / :most AS place
    FROM (
        SELECT DISTINCT listed.name
        FROM part, unnest(part.names) AS listed (name) WHERE part.job_id = :job_id
    ) AS each
) AS placed
GROUP BY place
""").bindparams(bindparam("job_id", type_=Id()))


def split(
    connection: Connection, job: JobRecord, most_resources: int, lists: Lists | None = None
) -> tuple[JobRecord, Chunk | None]:
    """Split a job that the caller holds; its ``lists`` are in hand, or else in the store.

    Return the job as it is now, ended where nothing matched, and its chunk where there is only
    one: the caller may apply that in this very transaction.
    """
    matched = KINDS[job.kind].match(connection, str(job.tenant), job.head)
    most = chunks.size(most_resources, len(matched), throttle.most_items())
    if not matched:
        return progress.begin(connection, job, matched, 0, 0), None
    if lists is None and job.parts == 1:
        lists = _only_part(connection, job.id)
    if lists is not None:
        cut = _cut(lists, most, len(matched))
    elif connection.dialect.name == "sqlite":
        cut = _cut_sqlite(connection, job.id, most, len(matched))
    else:
        values = {"job_id": job.id, "most": most, "targets": len(matched)}
        connection.execute(_CUT_IDS, values)
        connection.execute(_CUT_NAMES, values)
        cut = iter(())
    opened, total, only = _open(connection, job.id, cut)
    if not opened:
        opened, total = _opened(connection, job.id)
    connection.execute(delete(part).where(part.c.job_id == job.id))
    return progress.begin(connection, job, matched, opened, total), only


def _cut(lists: Lists, most: int, targets: int) -> Iterator[Chunk]:
    number = 0
    for resource_type, packed in sorted(lists.ids.items()):
        for ids in chunks.split_ids(packed, most):
            yield Chunk(number, resource_type, len(ids) // 16 * targets, ids=ids)
            number += 1
    for names in chunks.split_names(lists.names, most):
        yield Chunk(number, 0, len(names) * targets, names=names)
        number += 1


def _open(
    connection: Connection, job_id: UUID, cut: Iterable[Chunk]
) -> tuple[int, int, Chunk | None]:
    """Store the chunks; return how many there are, their items, and the only one."""
    opened, total, only = 0, 0, None
    cut = iter(cut)
    while batch := list(islice(cut, _BATCH)):
        connection.execute(insert(chunk_table), [_row(job_id, chunk) for chunk in batch])
        opened += len(batch)
        total += sum(chunk.items for chunk in batch)
        only = batch[0] if opened == 1 else None
    return opened, total, only


def _row(job_id: UUID, chunk: Chunk) -> dict[str, object]:
    return {
        "job_id": job_id,
        "number": chunk.number,
        "state": "open",
        "resource_type": chunk.resource_type,
        "ids": chunk.ids or None,
        "names": chunk.names or None,
        "items": chunk.items,
    }


def _opened(connection: Connection, job_id: UUID) -> tuple[int, int]:
    query = select(func.count(), func.coalesce(func.sum(chunk_table.c["items"]), 0))
    count, items = connection.execute(query.where(chunk_table.c.job_id == job_id)).one()
    return int(count), int(items)


def _only_part(connection: Connection, job_id: UUID) -> Lists:
    rows = connection.execute(select(part).where(part.c.job_id == job_id)).all()
    ids = {row.resource_type: row.ids for row in rows if row.ids}
    return Lists(ids, tuple(name for row in rows for name in row.names or ()))


def _cut_sqlite(connection: Connection, job_id: UUID, most: int, targets: int) -> Iterator[Chunk]:
    """Sort in a temporary table, which SQLite spills to disk, and cut while reading it back."""
    connection.exec_driver_sql("DROP TABLE IF EXISTS temp.listed")
    connection.exec_driver_sql(
        "CREATE TEMP TABLE listed (kind, entry, PRIMARY KEY (kind, entry)) WITHOUT ROWID"
    )
    keys = select(part.c.number, part.c.resource_type).where(part.c.job_id == job_id)
    for number, resource_type in connection.execute(keys).all():
        _list_sqlite(connection, job_id, number, resource_type)
    rows = connection.exec_driver_sql("SELECT kind, entry FROM temp.listed ORDER BY kind, entry")
    number = 0
    for resource_type, group in groupby(rows, key=itemgetter(0)):
        entries = (row[1] for row in group)
        while run := list(islice(entries, most)):
            items = len(run) * targets
            if resource_type:
                yield Chunk(number, resource_type, items, ids=b"".join(run))
            else:
                yield Chunk(number, 0, items, names=run)
            number += 1


def _list_sqlite(connection: Connection, job_id: UUID, number: int, resource_type: int) -> None:
    this = and_(
        part.c.job_id == job_id, part.c.number == number, part.c.resource_type == resource_type
    )
    row = connection.execute(select(part.c.ids, part.c.names).where(this)).one()
    entries: Iterable[object] = sorted(slices(row.ids)) if row.ids else row.names or ()
    if values := [(resource_type, entry) for entry in entries]:
        connection.exec_driver_sql("INSERT OR IGNORE INTO temp.listed VALUES (?, ?)", values)
