"""After a worker has died: count for a while how often each step is tried, and give up what kills.

A sweep does not come again, so no broker counts the deaths that a chunk causes. Each count is a
commit of its own, made before the step; so it is made only while an alarm stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import ParamSpec, TypeVar

from sqlalchemy import Connection, select, update

from tagsweep.worker import database
from tagsweep.worker.chunks import attempts
from tagsweep.worker.models.tables import alarm
from tagsweep.worker.models.tables.types import ago, clock

#: a step that was tried so often, and whose worker died each time, is not tried again
MOST_TRIES = 5
#: how long an alarm stands
ALARM_S = 60

P = ParamSpec("P")
T = TypeVar("T")


class Uncounted(Exception):
    """The step is to be counted first."""

    def __init__(self, step: str) -> None:
        self.step = step
        super().__init__(step)


#: the step that was counted before its transaction, and how often by now
_before: ContextVar[tuple[str, int] | None] = ContextVar("_before", default=None)


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
    ends, however it ends, has killed nobody. The transaction is one that is done ``patiently``.
    """
    if not stands(connection):
        yield False
        return
    beside = not database.is_alone(connection)
    tries = attempts.count(step) if beside else _counted_before(step)
    try:
        yield tries > MOST_TRIES
    except Exception:
        if beside:
            attempts.nobody_died(step)
        raise
    attempts.forget(connection, step)


def patiently(transaction: Callable[P, T]) -> Callable[P, T]:
    """Make a function of one that does a transaction with a step that may have to be ``counted``.

    SQLite's one writer cannot count beside the step's own transaction, and a pooler may have no
    session for it. There, that is rolled back when it comes to the step, and done anew once the
    step is counted.
    """

    @wraps(transaction)
    def done(*args: P.args, **kwargs: P.kwargs) -> T:
        token = _before.set(None)
        try:
            while True:
                try:
                    return transaction(*args, **kwargs)
                except Uncounted as found:
                    _before.set((found.step, attempts.count(found.step)))
        except Exception:
            if counted_one := _before.get():
                attempts.nobody_died(counted_one[0])
            raise
        finally:
            _before.reset(token)

    return done


def _counted_before(step: str) -> int:
    counted_one = _before.get()
    if counted_one is None or counted_one[0] != step:
        raise Uncounted(step)
    return counted_one[1]
