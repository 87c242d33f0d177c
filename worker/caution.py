"""After a worker has died: count for a while how often each step is tried, and give up what kills.

A sweep is acknowledged before it runs, so no broker counts the deaths that a chunk causes. Each
count is a commit of its own, made before the step; so it is made only while an alarm stands.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, select, update

from worker import attempts, database
from worker.models.tables import alarm
from worker.models.types import ago, clock

#: a step that was tried so often, and whose worker died each time, is not tried again
MOST_TRIES = 5
#: how long an alarm stands
ALARM_S = 60


def alert(connection: Connection) -> None:
    """Let all workers count each step before they try it, for ALARM_S seconds from now."""
    connection.execute(update(alarm).values(until=ago(-ALARM_S)))


def stands(connection: Connection) -> bool:
    """Tell whether steps are to be counted now."""
    return connection.execute(select(alarm.c.id).where(alarm.c.until > clock())).first() is not None


@contextmanager
def counted(connection: Connection, step: str) -> Iterator[bool]:
    """Do the block as one try of ``step``, which the caller's transaction holds against all others.

    Yields True where it has killed its workers too often: then it must not be tried. A step that
    ends, however it ends, has killed nobody. Not on SQLite, whose one writer cannot count beside
    the step's own transaction.
    """
    if connection.dialect.name == "sqlite" or not stands(connection):
        yield False
        return
    with database.transaction() as beside:  # what is counted must outlive this transaction
        tries = attempts.count(beside, step)
    try:
        yield tries > MOST_TRIES
    except Exception:
        attempts.nobody_died(step)
        raise
    attempts.forget(connection, step)
