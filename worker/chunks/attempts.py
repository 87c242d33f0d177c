"""How often something was begun whose worker may have died of it."""

from __future__ import annotations

from contextlib import suppress

from sqlalchemy import Connection, delete, update

from tagsweep.worker import database
from tagsweep.worker.database.dialects import upsert
from tagsweep.worker.errors import Retryable
from tagsweep.worker.models.tables import attempt
from tagsweep.worker.models.tables.types import clock


def count(name: str) -> int:
    """Count one more attempt at ``name``; return how many there were.

    In a transaction of its own: it must outlive the step's.
    """
    with database.transaction() as connection:
        once_more = {"attempts": attempt.c.attempts + 1, "seen_at": clock()}
        statement = upsert(connection, attempt, once_more).values(task_id=name, attempts=1)
        return int(connection.execute(statement.returning(attempt.c.attempts)).scalar_one())


def nobody_died(name: str) -> None:
    """Count one attempt less, if the store can be reached: it failed, and its worker lives."""
    less = update(attempt).where(attempt.c.task_id == name)
    with suppress(Retryable), database.transaction() as connection:
        connection.execute(less.values(attempts=attempt.c.attempts - 1))


def forget(connection: Connection, name: str) -> None:
    """Forget all attempts: it was done."""
    connection.execute(delete(attempt).where(attempt.c.task_id == name))
