"""How many items were done in each of the last minutes, by tenant and kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from tagsweep.worker.database.dialects import proposed, upsert
from tagsweep.worker.models.tables import clock
from tagsweep.worker.models.tables import throughput as table

#: minutes that are shown, the one that has begun included
MINUTES = 60
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class LastHour:
    """The items of each minute, by kind: MINUTES of them, the one that has begun last."""

    start: datetime
    now: datetime
    items: Mapping[str, list[int]]


def add(connection: Connection, items: Mapping[tuple[str, str], int]) -> None:
    """Add items that were done, by tenant and kind, to those of this minute."""
    more = proposed(table)
    now = _now(connection).replace(second=0, microsecond=0)
    rows = [
        {"tenant": tenant, "kind": kind, "minute": now, "items": number}
        for (tenant, kind), number in sorted(items.items())
    ]
    connection.execute(upsert(connection, table, {"items": table.c["items"] + more["items"]}), rows)


def read(connection: Connection, tenant: str | None) -> LastHour:
    """Return what was done of a tenant's jobs, or of all (None)."""
    now = _now(connection)
    start = now.replace(second=0, microsecond=0) - (MINUTES - 1) * MINUTE
    query = select(table.c.kind, table.c.minute, func.sum(table.c["items"]).label("number"))
    query = query.where(table.c.minute >= start).group_by(table.c.kind, table.c.minute)
    if tenant is not None:
        query = query.where(table.c.tenant == tenant)
    found: dict[str, list[int]] = {}
    for kind, minute, number in connection.execute(query.order_by(table.c.kind)):
        place = int((minute - start) / MINUTE)
        if place < MINUTES:  # a minute may have begun in between
            found.setdefault(kind, [0] * MINUTES)[place] = int(number)
    return LastHour(start, now, found)


def _now(connection: Connection) -> datetime:
    now: datetime = connection.execute(select(clock())).scalar_one()
    return now
