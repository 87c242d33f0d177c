"""Which workers there are, when each was last there, and which job it worked on last."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, delete, select, update

from tagsweep.worker.database.dialects import upsert
from tagsweep.worker.models.tables import ago, clock
from tagsweep.worker.models.tables import heartbeat as table
from tagsweep.worker.models.tables import job as jobs

#: seconds after which one that works or idles has been seen again; and after which one is silent:
#: those that do not recover look at the store as seldom as every 30 s
EVERY_S, SILENT_S = 60, 150
#: workers that are read
MOST = 200


@dataclass(frozen=True, slots=True)
class Seen:
    """A worker, as the store knows it."""

    name: str
    queues: tuple[str, ...]
    processes: int
    started_at: datetime
    seen_at: datetime
    is_silent: bool  #: it has not been seen for SILENT_S: it was killed, or lost the store
    items: int  #: that it has done since it started
    worked_at: datetime | None  #: when it last did any
    job: UUID | None  #: the job that they were of, and what is known of that
    tenant: str | None
    kind: str | None


def beat(connection: Connection, name: str, queues: Iterable[str], processes: int) -> None:
    """Note that the worker of this name is there, and what it takes."""
    about: dict[str, Any] = {"queues": " ".join(queues), "processes": processes}
    noted = upsert(connection, table, {**about, "seen_at": clock()})
    connection.execute(noted, {"name": name, **about})


def worked(connection: Connection, name: str, job_id: UUID, items: int) -> None:
    """Note that the worker is there, and has done items of jobs, that one the last."""
    counted = {"items": table.c["items"] + items, "job_id": job_id}
    now = {"seen_at": clock(), "worked_at": clock()}
    connection.execute(update(table).where(table.c.name == name).values(**counted, **now))


def end(connection: Connection, name: str) -> None:
    """Note that the worker ends."""
    connection.execute(delete(table).where(table.c.name == name))


def read(connection: Connection) -> list[Seen]:
    """Return the workers, those that worked last first."""
    silent = (table.c.seen_at < ago(SILENT_S)).label("is_silent")
    about = (table.c.name, table.c.queues, table.c.processes, table.c.started_at, table.c.seen_at)
    work = (table.c["items"], table.c.worked_at, table.c.job_id, jobs.c.tenant, jobs.c.kind)
    query = select(*about, silent, *work).outerjoin_from(table, jobs, jobs.c.id == table.c.job_id)
    query = query.order_by(silent, table.c.worked_at.desc().nulls_last(), table.c.name)
    return [
        Seen(name, tuple(queues.split()), *rest)
        for name, queues, *rest in connection.execute(query.limit(MOST))
    ]
