"""Count attempts of steps that may kill their worker, and give up those that keep doing so.

A message that is redelivered is counted whenever it is. A chunk's sweep is not redelivered, so no
broker counts the crashes that a chunk causes: after a crash, all workers count each step for a
minute. Each count is a commit of its own, made before the step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import wraps
from typing import ParamSpec, TypeVar

from sqlalchemy import Connection, delete, select, update

from tagsweep.worker import database
from tagsweep.worker.database.dialects import upsert
from tagsweep.worker.errors import Retryable
from tagsweep.worker.models.tables import ago, alarm, attempt, clock

#: a step during which so many workers crashed is not tried again
MOST_TRIES = 5
#: seconds that steps are counted after a crash
ALARM_S = 60

P = ParamSpec("P")
T = TypeVar("T")


class Uncounted(Exception):
    """The step has to be counted first."""

    def __init__(self, step: str) -> None:
        self.step = step
        super().__init__(step)


#: the step that was counted before its transaction, and its attempts by now
_before: ContextVar[tuple[str, int] | None] = ContextVar("_before", default=None)


def count(step: str) -> int:
    """Count one more attempt at ``step``; return how many there were.

    In a transaction of its own: the count must outlive that of the step.
    """
    with database.transaction() as connection:
        once_more = {"attempts": attempt.c.attempts + 1, "seen_at": clock()}
        statement = upsert(connection, attempt, once_more).values(task_id=step, attempts=1)
        return int(connection.execute(statement.returning(attempt.c.attempts)).scalar_one())


def survived(step: str) -> None:
    """Count one attempt less, if the store can be reached: it failed, but the worker lives."""
    less = update(attempt).where(attempt.c.task_id == step)
    with suppress(Retryable), database.transaction() as connection:
        connection.execute(less.values(attempts=attempt.c.attempts - 1))


def alert(connection: Connection) -> None:
    """Make all workers count each step before they try it, for ALARM_S seconds from now."""
    connection.execute(update(alarm).values(until=ago(-ALARM_S)))


def _is_alert(connection: Connection) -> bool:
    return connection.execute(select(alarm.c.id).where(alarm.c.until > clock())).first() is not None


@contextmanager
def counted(connection: Connection, step: str) -> Iterator[bool]:
    """Do the block as one attempt at ``step``, which the caller's transaction has locked.

    Yields True if the step has crashed its workers too often: then it must not be tried. A step
    that ends, however it ends, has crashed no worker. The transaction must be ``count_first``'s.
    """
    if not _is_alert(connection):
        yield False
        return
    separately = not database.has_single_session(connection)
    tries = count(step) if separately else _counted_before(step)
    try:
        yield tries > MOST_TRIES
    except Exception:
        if separately:
            survived(step)
        raise
    connection.execute(delete(attempt).where(attempt.c.task_id == step))


def count_first(transaction: Callable[P, T]) -> Callable[P, T]:
    """Decorate a function that does one transaction with a step that may have to be ``counted``.

    SQLite's one writer cannot count while the step's own transaction is open, and a pooler may have
    no session for it. There, the transaction is rolled back when it reaches the step, and done
    again once the step is counted.
    """

    @wraps(transaction)
    def done(*args: P.args, **kwargs: P.kwargs) -> T:
        token = _before.set(None)
        try:
            while True:
                try:
                    return transaction(*args, **kwargs)
                except Uncounted as uncounted:
                    _before.set((uncounted.step, count(uncounted.step)))
        except Exception:
            if before := _before.get():
                survived(before[0])
            raise
        finally:
            _before.reset(token)

    return done


def _counted_before(step: str) -> int:
    before = _before.get()
    if before is None or before[0] != step:
        raise Uncounted(step)
    return before[1]
