"""What the store says of its jobs beside their own rows."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ColumnElement, Table, func, select

from tagsweep.worker.models.records import ENDS
from tagsweep.worker.models.tables import (
    chunk,
    job,
    link_change,
    outbox,
    part,
    reply,
    workspace_tag_change,
)
from tests.support.stores import Store


def removed_by(store: Store, job_id: str) -> int:
    """Return how many links and workspace tags a job wrote down that it removed."""
    links = select(func.coalesce(func.sum(func.cardinality(link_change.c.ids)), 0))
    tags = select(func.count()).select_from(workspace_tag_change)
    with store.transaction() as connection:
        of_links = connection.execute(
            links.where(link_change.c.job_id == UUID(job_id))
        ).scalar_one()
        this = workspace_tag_change.c.job_id == UUID(job_id)
        return int(of_links) + int(connection.execute(tags.where(this)).scalar_one())


def open_rows(store: Store) -> dict[str, int]:
    """Return, by table, how many rows still wait for something; empty where none does."""
    waiting: dict[Table, ColumnElement[bool]] = {
        job: job.c.status.not_in(ENDS) | (job.c.open != 0),
        chunk: chunk.c.state == "open",
        part: part.c.number >= 0,
        reply: reply.c.times >= 0,
        outbox: outbox.c.published_at.is_(None) | outbox.c.answered_at.is_(None),
    }
    with store.transaction() as connection:
        found = {
            table.name: connection.execute(select(func.count()).where(condition)).scalar_one()
            for table, condition in waiting.items()
        }
    return {name: number for name, number in found.items() if number}
