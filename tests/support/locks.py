"""Hold a job in the middle: a lock stops the very transaction that wants to remove a link."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import select, text

from tests.support.stack import eventually
from tests.support.stores import Store

_WAITING = text("""
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'
""")


@contextmanager
def held_link(store: Store, resource_id: str) -> Iterator[None]:
    """Hold the links of one resource; whoever wants to remove them waits for the block's end."""
    tables = store.tables
    this = tables.of_resource == tables.value(resource_id)
    query = select(tables.link_table).where(this)
    with store.transaction() as connection:
        connection.execute(query.with_for_update()).all()
        yield


@contextmanager
def held_table(store: Store, table: str) -> Iterator[None]:
    """Hold a whole table against readers and writers."""
    with store.transaction() as connection:
        connection.execute(text(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"))
        yield


def wait_for_waiting(store: Store, how_many: int = 1) -> None:
    """Return once so many transactions wait for a lock."""

    def waiting() -> bool:
        with store.transaction() as connection:
            return int(connection.execute(_WAITING).scalar_one()) >= how_many

    eventually(waiting)
