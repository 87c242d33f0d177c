"""Lists of jobs by filters, at a cost that does not depend on how many jobs there are.

A list without filters follows an index. One with filters looks through the jobs that come next in
that order, SCANNED of them at most, and tells where it stopped.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_, select, text, true

from tagsweep.worker.database.dialects import is_sqlite
from tagsweep.worker.jobs import queries
from tagsweep.worker.models.records import JobRecord
from tagsweep.worker.models.tables import job as jobs

#: most jobs that are looked through for one page, and most that are counted
SCANNED = 10_000

Place = tuple[datetime, UUID]

_ORDER = (jobs.c.accepted_at.desc(), jobs.c.id.desc())
#: whether a job names a tag, or a key, that is, or begins with, what is wanted
_NAMED = {
    "postgresql": """
EXISTS (SELECT FROM json_array_elements_text(head -> 'names') AS named (name) WHERE {name} = :name)
OR EXISTS (SELECT FROM json_array_elements(head -> 'tags') AS tag (wanted),
           LATERAL (SELECT wanted ->> 'key' AS name) AS named WHERE {name} = :name)
""",
    "sqlite": """
EXISTS (SELECT 1 FROM json_each(head, '$.names') AS named
        WHERE {value} = :name)
OR EXISTS (SELECT 1 FROM json_each(head, '$.tags') AS tag,
           json_each(json_array(json_extract(tag.value, '$.key'))) AS named WHERE {value} = :name)
""",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which jobs are listed."""

    tenant: str | None = None  #: None: those of all
    status: str | None = None
    kind: str | None = None
    by: str | None = None  #: the name of who asked for them
    name: str | None = None  #: a tag that they name; with ``*`` at its end, any that begins so
    since: datetime | None = None
    until: datetime | None = None
    among: frozenset[str] | None = None  #: statuses, beside the one above

    @property
    def is_filtered(self) -> bool:
        """Whether jobs have to be looked through."""
        return any((self.status, self.kind, self.by, self.name, self.among))


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of jobs, newest first."""

    jobs: list[JobRecord]
    count: int  #: jobs that fit from this page on, of those looked through
    stopped_at: Place | None  #: where looking stopped before all jobs were looked through

    @property
    def next_place(self) -> Place:
        """After which job the next page begins."""
        return self.jobs[-1].accepted_at, self.jobs[-1].id


def page(connection: Connection, wanted: Wanted, after: Place | None, limit: int) -> Listed:
    """Return up to ``limit`` of the jobs after a place in the list."""
    found = _fitting(connection, wanted, after).subquery()
    here = select(found).order_by(found.c.accepted_at.desc(), found.c.id.desc()).limit(limit)
    ids = [row.id for row in connection.execute(here)]
    count = connection.execute(select(func.count()).select_from(found)).scalar_one()
    stop = None
    if wanted.is_filtered and count <= limit:
        last = _places(wanted, after).offset(SCANNED - 1).limit(2)
        rows = connection.execute(last).all()
        stop = (rows[0].accepted_at, rows[0].id) if len(rows) > 1 else None
    return Listed(_records(connection, ids), int(count), stop)


def owned(connection: Connection, wanted: Wanted, most: int) -> list[tuple[UUID, str]]:
    """Return id and tenant of up to ``most`` jobs that fit and have a tenant."""
    found = _fitting(connection, wanted, None).subquery()
    query = select(jobs.c.id, jobs.c.tenant).where(jobs.c.id.in_(select(found.c.id)))
    rows = connection.execute(query.where(jobs.c.tenant.is_not(None)).limit(most))
    return [(row.id, row.tenant) for row in rows]


def _places(wanted: Wanted, after: Place | None, *columns: Any) -> Select[Any]:
    """Return the query of all jobs that may be looked through, in their order."""
    conditions: list[ColumnElement[bool]] = [true()]
    if wanted.tenant is not None:
        conditions.append(jobs.c.tenant == wanted.tenant)
    if wanted.since is not None:
        conditions.append(jobs.c.accepted_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(jobs.c.accepted_at < wanted.until)
    if after is not None:
        same = and_(jobs.c.accepted_at == after[0], jobs.c.id < after[1])
        conditions.append(
            and_(jobs.c.accepted_at <= after[0], or_(jobs.c.accepted_at < after[0], same))
        )
    query = select(jobs.c.accepted_at, jobs.c.id, *columns)
    return query.where(*conditions).order_by(*_ORDER)


def _fitting(connection: Connection, wanted: Wanted, after: Place | None) -> Select[Any]:
    """Return the query of the jobs that fit, of those that are looked through."""
    if not wanted.is_filtered:
        return _places(wanted, after).limit(SCANNED + 1)
    columns = (jobs.c.status, jobs.c.kind, jobs.c.requested_by, jobs.c.head)
    scanned = _places(wanted, after, *columns).limit(SCANNED).subquery()
    conditions: list[ColumnElement[bool]] = []
    if wanted.status is not None:
        conditions.append(scanned.c.status == wanted.status)
    if wanted.among is not None:
        conditions.append(scanned.c.status.in_(wanted.among))
    if wanted.kind is not None:
        conditions.append(scanned.c.kind == wanted.kind)
    if wanted.by is not None:
        conditions.append(scanned.c.requested_by["name"].as_string() == wanted.by)
    query = select(scanned.c.accepted_at, scanned.c.id).where(*conditions)
    return query if wanted.name is None else query.where(_names(connection, wanted.name))


def _names(connection: Connection, name: str) -> Any:
    is_prefix = name.endswith("*")
    wanted = name.removesuffix("*") if is_prefix else name
    sql = _NAMED["sqlite" if is_sqlite(connection) else "postgresql"]
    column = "named.value" if is_sqlite(connection) else "named.name"
    column = f"substr({column}, 1, {len(wanted)})" if is_prefix else column
    return text(f"({sql.format(name=column, value=column)})").bindparams(name=wanted)


def _records(connection: Connection, wanted: list[UUID]) -> list[JobRecord]:
    query = select(*queries.COLUMNS).where(jobs.c.id.in_(wanted)).order_by(*_ORDER)
    return [JobRecord(*row) for row in connection.execute(query)]
