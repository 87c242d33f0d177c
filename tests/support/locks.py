"""Hold a job in the middle: by a lock that its transaction waits for, or by a slow statement."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import select, text

from tests.support.stack import eventually
from tests.support.stores import Store

_WAITING = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND
"""
_SLEEP = """
CREATE FUNCTION tagsweep.sleep() RETURNS trigger LANGUAGE plpgsql AS
'BEGIN PERFORM pg_sleep(1); RETURN NULL; END'
"""


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


@contextmanager
def slow_removals(store: Store) -> Iterator[None]:
    """Let each statement that removes links take another second, without waiting for a lock."""
    table = str(store.tables.link_table)
    with store.transaction() as connection:
        connection.execute(text(_SLEEP))
        on = f"CREATE TRIGGER slow BEFORE DELETE ON {table} FOR EACH STATEMENT"
        connection.execute(text(f"{on} EXECUTE FUNCTION tagsweep.sleep()"))
    yield
    with store.transaction() as connection:
        connection.execute(text(f"DROP TRIGGER slow ON {table}"))
        connection.execute(text("DROP FUNCTION tagsweep.sleep"))


def wait_for_slow(store: Store) -> None:
    """Return once a removal that is slow goes on."""
    _wait(store, "wait_event = 'PgSleep'", 1)


def wait_for_waiting(store: Store, how_many: int = 1) -> None:
    """Return once so many transactions wait for a lock."""
    _wait(store, "wait_event_type = 'Lock'", how_many)


def _wait(store: Store, condition: str, how_many: int) -> None:
    def there_are() -> bool:
        with store.transaction() as connection:
            found = connection.execute(text(_WAITING + condition))
            return int(found.scalar_one()) >= how_many

    eventually(there_are)
