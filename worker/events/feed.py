"""The feed's one row: the position of the latest event, and the store's history that it is from.

A standby that is promoted, or a backup that is restored, may not know the latest positions. It
would assign them again, to other events, and a reader that has seen the first ones would skip
these. So the row names its history in PostgreSQL's own terms: system identifier and timeline. In a
new history, positions continue after a gap that no reader has seen any of, and a reader whose
position is in the gap can be told that the last events it has seen are gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from weakref import WeakKeyDictionary

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Integer,
    Text,
    bindparam,
    insert,
    literal_column,
    or_,
    select,
    true,
    update,
)

from tagsweep.worker import database
from tagsweep.worker.errors import TagsweepError
from tagsweep.worker.models.tables import ago, failover, feed

#: distance between the positions of two histories: more than one history ever assigns
EPOCH = 1_000_000_000

#: servers that only speak PostgreSQL's protocol may lack these functions
_HISTORY: ColumnElement[str] = literal_column(
    "(CASE WHEN NOT pg_is_in_recovery() THEN "
    "(SELECT system_identifier FROM pg_control_system())::text || '/' || "
    "left(pg_walfile_name(pg_current_wal_lsn()), 8) END)",
    Text,
)

_STEP = (
    update(feed)
    .values(position=feed.c.position + bindparam("count", type_=Integer))
    .returning(feed.c.position)
)
_STEP_IN_HISTORY = _STEP.where(or_(feed.c.timeline.is_(None), feed.c.timeline == _HISTORY)).values(
    timeline=_HISTORY
)

#: whether a store can name its history
_tells: WeakKeyDictionary[Engine, bool] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Bounds:
    """Which positions a reader can resume after."""

    first: int  #: all events after it are kept
    last: int  #: the last one assigned
    #: pairs of positions, exclusive and inclusive, between which a lost history assigned them
    gaps: tuple[tuple[int, int], ...]
    moved: bool  #: the store has a new history, in which no position is assigned yet

    def known_before(self, position: int) -> int | None:
        """Return the last known position before a lost one; None if ``position`` is not lost.

        A position is lost if it was assigned in a history that the store does not have.
        """
        for after, resumed in self.gaps:
            if after < position <= resumed:
                return after
        return self.last if self.moved and position > self.last else None


@dataclass(frozen=True, slots=True)
class Failover:
    """A change of the store's history."""

    seen_at: datetime | None  #: None: the new one has no event yet
    after: int  #: the last position that the store knew at that time


def advance(connection: Connection, count: int) -> int:
    """Assign the next ``count`` positions, and return the last of them.

    The row stays locked until the commit.
    """
    if not _tells_history(connection):
        return int(connection.execute(_STEP, {"count": count}).scalar_one())
    row = connection.execute(_STEP_IN_HISTORY, {"count": count}).one_or_none()
    if row is None:
        _begin_history(connection)
        row = connection.execute(_STEP_IN_HISTORY, {"count": count}).one()
    return int(row.position)


def bounds(connection: Connection) -> Bounds:
    """Return which positions a reader can resume after."""
    moved = _moved() if _tells_history(connection) else ~true()
    row = connection.execute(select(feed.c.gone, feed.c.position, moved.label("moved"))).one()
    gaps = connection.execute(select(failover.c.after, failover.c.resumed_at)).all()
    return Bounds(row.gone, row.position, tuple((a, b) for a, b in gaps), bool(row.moved))


def forget(connection: Connection, position: int) -> None:
    """Note that some events up to ``position`` are deleted."""
    connection.execute(update(feed).where(feed.c.gone < position).values(gone=position))


def failovers(connection: Connection, seconds: float) -> Sequence[Failover]:
    """Return the changes of history seen within the last ``seconds``, newest first."""
    query = select(failover.c.seen_at, failover.c.after).order_by(failover.c.after.desc())
    rows = connection.execute(query.where(failover.c.seen_at > ago(seconds)))
    found = [Failover(*row) for row in rows]
    known = bounds(connection)
    return [Failover(None, known.last), *found] if known.moved else found


def _moved() -> ColumnElement[bool]:
    return feed.c.timeline.is_not(None) & (feed.c.timeline != _HISTORY)


def _begin_history(connection: Connection) -> None:
    """Continue the positions after a gap, unless another process just has."""
    query = select(feed.c.position).where(_moved()).with_for_update()
    row = connection.execute(query).one_or_none()
    if row is None:
        return
    resumed = (row.position // EPOCH + 1) * EPOCH
    connection.execute(insert(failover), {"after": row.position, "resumed_at": resumed})
    connection.execute(update(feed).values(position=resumed, timeline=_HISTORY))


def _tells_history(connection: Connection) -> bool:
    """Tell whether the store can name its history; tried once per engine."""
    if connection.dialect.name != "postgresql":
        return False
    engine = connection.engine
    if engine not in _tells:
        try:
            with database.savepoint(connection):
                connection.execute(select(_HISTORY))
        except TagsweepError:
            if connection.invalidated:  # this says nothing about the functions
                raise
            _tells[engine] = False
        else:
            _tells[engine] = True
    return _tells[engine]
