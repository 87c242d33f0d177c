"""One list of who did what: the entries of the trail, and who asked for each job."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Text,
    and_,
    cast,
    func,
    null,
    or_,
    select,
    true,
    union_all,
)

from tagsweep.worker import database
from tagsweep.worker.audit import creations
from tagsweep.worker.audit.actions import EntryFilter
from tagsweep.worker.models.events import stamp
from tagsweep.worker.models.tables import audit_entry

__all__ = ["Entry", "EntryFilter", "Place", "count", "each", "page"]

#: where a list goes on: the time and the id of an entry
Place = tuple[datetime, UUID]
#: entries that are read at a time
PAGE = 1_000
_Columns = Mapping[str, ColumnElement[Any]]

_ENTRIES: _Columns = {
    **{name: audit_entry.c[name] for name in creations.COLUMNS if name != "note"},
    "note": cast(null(), Text),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """What somebody did."""

    id: UUID
    at: datetime
    action: str
    tenant: str | None
    requested_by: dict[str, Any] | None  #: None: a job from before there were names
    credential: UUID | None
    job_id: UUID | None
    kind: str | None
    target: str | None
    details: dict[str, Any] | None

    def shown(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "id": str(self.id),
            "time": stamp(self.at),
            "action": self.action,
            "tenant": self.tenant,
            "requested_by": self.requested_by,
            "credential": self.credential and str(self.credential),
            "job": self.job_id and str(self.job_id),
            "kind": self.kind,
            "target": self.target,
            "details": self.details,
        }


def _condition(filter_: EntryFilter, columns: _Columns) -> ColumnElement[bool]:
    """Return the filter as SQL."""
    conditions: list[ColumnElement[bool]] = [true()]
    if filter_.tenant is not None:
        conditions.append(columns["tenant"] == filter_.tenant)
    if filter_.since is not None:
        conditions.append(columns["at"] >= filter_.since)
    if filter_.action is not None:
        conditions.append(columns["action"] == filter_.action)
    if filter_.by is not None:
        conditions.append(columns["requested_by"]["name"].as_string() == filter_.by)
    if filter_.job is not None:
        conditions.append(columns["job_id"] == filter_.job)
    return and_(*conditions)


def each(filter_: EntryFilter) -> Iterator[Entry]:
    """Yield all matching entries, newest first, each page read in a transaction of its own."""
    place: Place | None = None
    while True:
        with database.reading() as connection:
            found = page(connection, filter_, place, PAGE)
        yield from found
        if len(found) < PAGE:
            return
        place = (found[-1].at, found[-1].id)


def count(connection: Connection, filter_: EntryFilter) -> int:
    """Return how many entries match the filter."""
    numbers = [
        select(func.count()).where(_condition(filter_, columns)).scalar_subquery()
        for columns in (_ENTRIES, creations.COLUMNS)
    ]
    return int(connection.execute(select(numbers[0] + numbers[1])).scalar_one())


def page(  # noqa: PLR0913  # of what, and from where on
    connection: Connection,
    filter_: EntryFilter,
    cursor: Place | None,
    limit: int,
    *,
    back: bool = False,
    offset: int = 0,
) -> list[Entry]:
    """Return matching entries, newest first, after ``cursor``.

    ``back``: those before it, in the opposite order, nearest first. ``offset``: how many of them to
    skip.
    """
    parts = (
        _part(query, columns, filter_, cursor, limit + offset, back=back)
        for query, columns in (
            (select(*(column.label(name) for name, column in _ENTRIES.items())), _ENTRIES),
            (creations.selected(), creations.COLUMNS),
        )
    )
    found = union_all(*(select(part.subquery()) for part in parts)).subquery()
    order = (found.c.at, found.c.id)
    query = select(found).order_by(*(order if back else (column.desc() for column in order)))
    rows = connection.execute(query.limit(limit).offset(offset)).mappings()
    return [_entry(dict(row)) for row in rows]


def _part(  # noqa: PLR0913  # as of a page
    query: Select[Any],
    columns: _Columns,
    filter_: EntryFilter,
    cursor: Place | None,
    limit: int,
    *,
    back: bool,
) -> Select[Any]:
    """Return the first ``limit`` of one table: its index has them in this order."""
    at, own = columns["at"], columns["id"]
    if cursor is not None:
        moment, place = cursor
        later = (at > moment, own > place) if back else (at < moment, own < place)
        bound = at >= moment if back else at <= moment
        query = query.where(bound, or_(later[0], and_(at == moment, later[1])))
    order = (at, own) if back else (at.desc(), own.desc())
    return query.where(_condition(filter_, columns)).order_by(*order).limit(limit)


def _entry(row: dict[str, Any]) -> Entry:
    told = creations.details(row["details"], row.pop("note"))
    return Entry(**{**row, "details": told})
