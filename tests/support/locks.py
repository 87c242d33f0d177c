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


_SLEEPING = _WAITING.text.replace("wait_event_type = 'Lock'", "wait_event = 'PgSleep'")
_SLEEP = """
CREATE FUNCTION tagsweep.sleep() RETURNS trigger LANGUAGE plpgsql AS
'BEGIN PERFORM pg_sleep(1); RETURN NULL; END'
"""


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

    def sleeping() -> bool:
        with store.transaction() as connection:
            return bool(connection.execute(text(_SLEEPING)).scalar_one())

    eventually(sleeping)


def wait_for_waiting(store: Store, how_many: int = 1) -> None:
    """Return once so many transactions wait for a lock."""

    def waiting() -> bool:
        with store.transaction() as connection:
            return int(connection.execute(_WAITING).scalar_one()) >= how_many

    eventually(waiting)
