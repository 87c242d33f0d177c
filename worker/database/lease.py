"""Leases: what one worker at a time does, by the database's clock.

A holder renews its lease; one that is killed does not, and another takes it once it is over.
"""

from __future__ import annotations

from sqlalchemy import Connection, or_, update

from tagsweep.worker.models.tables import ago, clock, lease

#: recovering what was left undone; and being the worker that takes that over
RECOVERY, NEXT = "recovery", "next"
#: sending webhooks
WEBHOOKS = "webhooks"


def hold(connection: Connection, name: str, holder: str, seconds: float) -> bool:
    """Take or renew a lease for so long; return False if another holds it."""
    free = or_(lease.c.holder.is_(None), lease.c.holder == holder, lease.c.until < clock())
    taken = update(lease).where(lease.c.name == name, free)
    taken = taken.values(holder=holder, until=ago(-seconds)).returning(lease.c.name)
    return connection.execute(taken).first() is not None


def release(connection: Connection, name: str, holder: str) -> None:
    """Give up a lease, so that another worker can take it at once."""
    this = (lease.c.name == name) & (lease.c.holder == holder)
    connection.execute(update(lease).where(this).values(holder=None))
