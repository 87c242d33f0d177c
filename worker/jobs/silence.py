"""Streams that fell silent: tell a producer that died half-way from parts that merely wait.

Silence is measured through the queue. A probe goes behind whatever parts wait there; only when it
has been served, and for a good while after that no part has come in, has the producer stopped.
Stopped workers, a backlog and a part that comes again after its worker died all delay the probe, or
come in after it.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, update

from tagsweep.worker import settings
from tagsweep.worker.models.tables import job as jobs
from tagsweep.worker.models.types import ago, clock


def to_probe(connection: Connection) -> list[UUID]:
    """Return the streams that a probe is due for, noting that it will be sent."""
    silent = ago(settings.load().stream_silence_s)
    fresh = or_(jobs.c.probed_parts.is_(None), jobs.c.probed_parts != jobs.c.parts_in)
    due = and_(
        _incomplete(),
        func.coalesce(jobs.c.part_at, jobs.c.accepted_at) < silent,
        fresh,
        or_(jobs.c.probe_sent_at.is_(None), jobs.c.probe_sent_at < silent),
    )
    noted = update(jobs).where(due).values(probe_sent_at=clock()).returning(jobs.c.id)
    return list(connection.execute(noted).scalars())


def served(connection: Connection, job_id: UUID) -> None:
    """Note that a probe was served, and how many parts had come in before it."""
    this = and_(_incomplete(), jobs.c.id == job_id)
    values: dict[str, Any] = {"probed_at": clock(), "probed_parts": jobs.c.parts_in}
    connection.execute(update(jobs).where(this).values(values))


def given_up(connection: Connection) -> list[tuple[UUID, int]]:
    """Return the streams whose producer has stopped, and how many parts it had sent."""
    # a part that comes again after its worker died does so within this time
    patience = max(settings.load().stream_silence_s, 2 * settings.load().visibility_s)
    dead = and_(
        _incomplete(),
        jobs.c.probed_parts == jobs.c.parts_in,
        jobs.c.probed_at < ago(patience),
    )
    query = select(jobs.c.id, jobs.c.parts_in).where(dead)
    return [(row.id, row.parts_in) for row in connection.execute(query)]


def _incomplete() -> ColumnElement[bool]:
    whole = and_(jobs.c.parts.is_not(None), jobs.c.parts_in >= jobs.c.parts)
    return and_(jobs.c.status == "queued", jobs.c.nonce.is_not(None), ~func.coalesce(whole, False))
