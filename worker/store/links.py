"""What the kinds of jobs on links share: their tags, the record of changes, and the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Connection,
    CursorResult,
    Executable,
    Row,
    bindparam,
    func,
    select,
    update,
)

from tagsweep.worker.database.dialects import is_sqlite
from tagsweep.worker.errors import ItemError
from tagsweep.worker.models import views
from tagsweep.worker.models.events import stamp
from tagsweep.worker.models.records import Chunk, JobRecord, Report
from tagsweep.worker.models.tables import Id, clock, link_change
from tagsweep.worker.store import layouts
from tagsweep.worker.store.layout import OWN, Layout, as_of
from tagsweep.worker.store.statements import PerDialect
from tagsweep.worker.store.tags import counters
from tagsweep.worker.store.unmatched.names import MissingNames


def values(job: JobRecord, chunk: Chunk) -> dict[str, Any]:
    """Return the bind parameters of a statement on the chunk's links, except the tags."""
    low, high = chunk.ends
    return {
        "ids": chunk.ids,
        "bytes": len(chunk.ids),
        "low": low,
        "high": high,
        "resource_type": chunk.resource_type,
        "accepted_at": as_of(job),
        "job_id": job.id,
        "chunk": chunk.number,
        "run": job.ends,
        "kept": chunk.values,
        **layouts.values(job, chunk.resource_type),
    }


def _execute(
    connection: Connection,
    job: JobRecord,
    chunk: Chunk,
    tags: list[UUID],
    sql: PerDialect,
) -> Iterator[tuple[UUID, CursorResult[Any]]]:
    """Execute ``sql`` on all ``tags``; yield the first tag that each result is about."""
    parameters = values(job, chunk)
    if is_sqlite(connection):
        for each in tags:
            yield each, connection.execute(sql.sqlite, {**parameters, "tag": each})
    elif tags:
        packed = b"".join(each.bytes for each in tags)
        parameters |= {"tag": tags[0], "tags": packed}
        yield tags[0], connection.execute(sql.on_postgresql(chunk), parameters)


def rows(
    connection: Connection,
    job: JobRecord,
    chunk: Chunk,
    tags: list[UUID],
    sql: PerDialect,
) -> Iterator[Row[Any]]:
    """Yield the rows that ``sql`` returns of the chunk's links with ``tags``."""
    for _, result in _execute(connection, job, chunk, tags, sql):
        yield from result


def count(connection: Connection, job: JobRecord, chunk: Chunk, counting: PerDialect) -> int:
    """Return how many of the chunk's links ``counting`` counts, over all its tags."""
    tags = [UUID(target["id"]) for target in job.targets_of(chunk)]
    return sum(int(row[0]) for row in rows(connection, job, chunk, tags, counting))


def change(
    connection: Connection,
    job: JobRecord,
    chunk: Chunk,
    tags: list[UUID],
    changing: PerDialect,
) -> int:
    """Change the chunk's links with ``tags``, record which were changed, and return how many.

    ``changing``: on PostgreSQL ``recorded``; on SQLite it returns the resources' ids.
    """
    results = _execute(connection, job, chunk, tags, changing)
    if is_sqlite(connection):
        return sum(_record(connection, job, chunk, *changed) for changed in results)
    found = [row for _, result in results for row in result]
    at = layouts.of(job, chunk.resource_type)
    if at.counter:
        sign = 1 if changing.adds else -1
        counters.move(connection, at, {row.tag_id: sign * int(row.lines) for row in found})
    return sum(int(row[0]) for row in found)


def _record(
    connection: Connection, job: JobRecord, chunk: Chunk, of_tag: UUID, changed: CursorResult[Any]
) -> int:
    """Record which links of a tag were changed; return how many."""
    ids = sorted(changed.scalars())
    if ids:
        row = {
            "job_id": job.id,
            "chunk": chunk.number,
            "run": job.ends,
            "tag_id": of_tag,
            "resource_type": chunk.resource_type,
            "ids": b"".join(ids),
        }
        connection.execute(link_change.insert(), row)
    return len(ids)


@cache
def _named(at: Layout) -> Executable:
    names = at.tag_table.c.name.in_(bindparam("names", expanding=True))
    return select(at.tag_table).where(at.of_tenant(bindparam("tenant")), names)


def tags(
    connection: Connection, tenant: str | None, names: Iterable[str], at: Layout = OWN
) -> dict[str, Any]:
    """Return the tenant's tags of these names, as the contract shows them, by name."""
    values = {"tenant": tenant, "names": list(names)}
    return {row.name: shown(row) for row in connection.execute(_named(at), values)}


def ambiguous(connection: Connection, job: JobRecord) -> list[str]:
    """Return the job's names that several tags of its tenant have, in their order."""
    if not job.mapped or "names" not in job.head:
        return []
    into = [job.head["into"]] if "into" in job.head else []
    names = list(dict.fromkeys([*job.head["names"], *into]))
    values = {"tenant": job.tenant, "names": names}
    found = Counter(row.name for row in connection.execute(_named(layouts.of(job)), values))
    return [name for name in names if found[name] > 1]


def unmatched(
    connection: Connection, job: JobRecord, matched: list[dict[str, Any]]
) -> list[ItemError]:
    """Return a warning for each name of the job that is none of the tags ``matched``."""
    renamed = job.head["names"] if "tag" in job.head and matched else []
    known = {*renamed, *(tag["name"] for tag in matched)}
    return MissingNames(connection, layouts.of(job)).warnings(job.tenant, job.head["names"], known)


def names(connection: Connection, tenant: str, start: str, limit: int) -> list[str]:
    """Return up to ``limit`` names of the tenant's tags that begin with ``start``, in order."""
    name = OWN.tag_table.c.name
    query = select(name).where(OWN.of_tenant(tenant), name.startswith(start, autoescape=True))
    return list(connection.execute(query.order_by(name).limit(limit)).scalars())


def existing(connection: Connection, job: JobRecord, chunk: Chunk, *, lock: bool) -> list[UUID]:
    """Return those of the chunk's tags that exist; ``lock``: and will, until the commit."""
    ids = [UUID(target["id"]) for target in job.targets_of(chunk)]
    if job.started_at is None and not lock:  # read in this very transaction
        return ids
    at = layouts.of(job, chunk.resource_type)
    known = at.tag_table.c.id
    query = select(known).where(at.of_tenant(job.tenant), known.in_(ids)).order_by(known)
    if lock:
        query = query.with_for_update(read=True, key_share=True)
    return list(connection.execute(query).scalars())


def report(connection: Connection, job: JobRecord) -> Report:
    """Set ``updated_at`` of exactly the tags of which a link was changed; return all matched tags.

    A dry run updates none; a tag that it would only create is shown without an id.

    Called in the last transaction of a job only: updates in each chunk made workers wait for each
    other.
    """
    moves = job.changed and not job.dry_run and layouts.of(job).updated
    now = _updated(connection, job) if moves else {}
    ids = [UUID(target["id"]) for target in job.targets if target["id"] not in now]
    if ids and job.started_at is not None:  # else they were read in this very transaction
        at = layouts.of(job)
        query = select(at.tag_table).where(at.of_tenant(job.tenant), at.tag_table.c.id.in_(ids))
        now |= {str(row.id): shown(row) for row in connection.execute(query)}
    tags = [now.get(target["id"]) or views.tag(target) for target in job.targets]
    return Report([job.resources.shown_tag(tag) for tag in tags] if job.mapped else tags)


# The time is read first and travels as a value: where `tag` is distributed (docs/scaling.md), no
# UPDATE of it may call a volatile function, or read the record of removals.
_CHANGED = (
    select(link_change.c.tag_id, func.max(clock()).label("now"))
    .where(link_change.c.job_id == bindparam("of_job", type_=Id()))
    .where(link_change.c.run == bindparam("of_run"))
    .group_by(link_change.c.tag_id)
)


@cache
def _updating(at: Layout) -> tuple[Executable, Executable]:
    """Return the statements that lock the tags of which a link was changed, and update them.

    Two ending jobs of the same tags would deadlock if each took them in an order of its own.
    """
    known = at.tag_table.c.id
    these = (at.of_tenant(bindparam("of_tenant")), known.in_(bindparam("ids", expanding=True)))
    locked = select(known).where(*these).order_by(known).with_for_update(key_share=True)
    moved = update(at.tag_table).where(*these).values(updated_at=bindparam("now"))
    return locked, moved.returning(at.tag_table)


def _updated(connection: Connection, job: JobRecord) -> dict[str, Any]:
    changed = connection.execute(_CHANGED, {"of_job": job.id, "of_run": job.ends}).all()
    if not changed:
        return {}
    values = {"of_tenant": job.tenant, "ids": [row.tag_id for row in changed]}
    lock, move = _updating(layouts.of(job))
    if len(changed) > 1:
        connection.execute(lock, values)
    values["now"] = max(row.now for row in changed)
    return {str(row.id): shown(row) for row in connection.execute(move, values)}


def shown(row: Any) -> dict[str, Any]:
    """Return a tag as the contract shows it."""
    times = {
        name: None if (moment := getattr(row, name)) is None else stamp(moment)
        for name in ("created_at", "updated_at")
        if hasattr(row, name)
    }
    return {"id": str(row.id), "name": row.name, **times}
