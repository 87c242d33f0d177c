"""What runs now, and what was done lately: one transaction, run in a thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tagsweep.producer.gateway.console.reading.lists import shown
from tagsweep.worker import database
from tagsweep.worker.activity import heartbeats, throughput
from tagsweep.worker.activity.heartbeats import Seen
from tagsweep.worker.activity.throughput import LastHour
from tagsweep.worker.jobs import queries
from tagsweep.worker.jobs.inspection import listing
from tagsweep.worker.jobs.inspection.listing import Wanted

MOST_RUNNING, RECENT = 50, 10

Shown = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Overview:
    """Of a tenant, or of all."""

    running: list[Shown]  #: oldest first
    recent: list[Shown]  #: newest first
    hour: LastHour
    workers: list[Seen]  #: of all tenants alone: workers belong to none
    open_chunks: int  #: likewise


def read(tenant: str | None) -> Overview:
    """Return the overview of a tenant, or of all (None)."""
    with database.snapshot() as connection:
        running = queries.running(connection, None if tenant is None else [tenant], MOST_RUNNING)
        recent = listing.page(connection, Wanted(tenant), None, RECENT).jobs
        hour = throughput.read(connection, tenant)
        workers = heartbeats.read(connection) if tenant is None else []
        chunks = queries.open_chunks(connection) if tenant is None else 0
    return Overview([*map(shown, running)], [*map(shown, recent)], hour, workers, chunks)
