"""The store's one door: transactions, and the drivers' errors in our words."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text

from tagsweep.worker import database
from tagsweep.worker.database import schema
from tagsweep.worker.errors import StoreBusy, StoreRefused, StoreUnavailable
from tagsweep.worker.settings import database_url
from tests.servers import Postgres
from tests.servers.processes import free_port
from tests.support.fixtures import configured
from tests.support.locks import held_table
from tests.support.stores import Store, new_ids

TAGS = text("SELECT count(*) FROM tag")


def _insert(tenant: str, *, times: int = 1, then: type[BaseException] | None = None) -> None:
    """Put the tag a there in one transaction, so many times, which then ends as asked."""
    with database.transaction() as connection:
        for _ in range(times):
            connection.execute(text(f"INSERT INTO tag (tenant, name) VALUES ('{tenant}', 'a')"))
        if then:
            raise then


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_on_every_other_way_out_nothing_was_done(
    store: Store, tenant: str, error: type[BaseException]
) -> None:
    with pytest.raises(error):
        _insert(tenant, then=error)
    assert store.tags(tenant) == {}
    _insert(tenant)  # and the next one begins afresh
    assert set(store.tags(tenant)) == {"a"}


def test_reading_on_sqlite_waits_for_no_writer(sqlite_store: Store) -> None:
    assert sqlite_store.outbox() == []
    with database.transaction(), database.reading() as reader:
        assert reader.execute(TAGS).scalar_one() == 0


def test_writers_on_sqlite_wait_for_each_other(sqlite_store: Store, tenant: str) -> None:
    def write(number: int) -> None:
        with database.transaction() as connection:
            connection.execute(TAGS)
            connection.execute(
                text(f"INSERT INTO tag (tenant, name) VALUES ('{tenant}', '{number}')")
            )

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(40)))
    assert len(sqlite_store.tags(tenant)) == 40


def test_a_sqlite_file_that_another_holds_too_long_is_busy(
    sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "SQLITE_WAIT_S", 0.05)
    database.forget_engine()
    with (
        sqlite_store.transaction(),
        pytest.raises(StoreBusy, match="another transaction"),
        database.transaction(),
    ):
        pass
    database.engine().dispose()


@pytest.mark.slow
def test_a_lock_that_is_not_given_up_in_time_is_busy(postgres_store: Store) -> None:
    with configured(database_url=postgres_store.url, lock_timeout_s=1):
        started = time.monotonic()
        with (
            held_table(postgres_store, "tag"),
            pytest.raises(StoreBusy, match="another transaction"),
            database.transaction() as connection,
        ):
            connection.execute(TAGS)
        assert time.monotonic() - started < 5


@pytest.mark.slow
def test_one_of_two_that_wait_for_each_other_is_busy(postgres_store: Store, tenant: str) -> None:
    for name in ("a", "b"):
        postgres_store.tag(tenant, name)
    both_hold_one = threading.Barrier(2)
    touch = text("UPDATE tag SET updated_at = now() WHERE tenant = :tenant AND name = :name")

    def lock(first: str, second: str) -> str:
        try:
            with database.transaction() as connection:
                connection.execute(touch, {"tenant": tenant, "name": first})
                both_hold_one.wait(timeout=30)
                connection.execute(touch, {"tenant": tenant, "name": second})
        except StoreBusy:
            return "busy"
        return "done"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(lock, "ab", "ba")) == ["busy", "done"]


def test_a_server_that_is_not_there_is_told_in_one_line_without_its_password() -> None:
    url = f"postgresql://somebody:secret@127.0.0.1:{free_port()}/tags"
    started = time.monotonic()
    with (
        configured(database_url=url),
        pytest.raises(StoreUnavailable) as raised,
        database.transaction(),
    ):
        pass
    assert time.monotonic() - started < 5
    message = str(raised.value)
    assert "secret" not in message
    assert "\n" not in message
    assert "TAGSWEEP_DATABASE_URL" in message


def test_a_folder_that_is_not_there_is_told_with_its_whole_path(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'missing' / 'tagsweep.db'}"
    with configured(database_url=url), pytest.raises(StoreUnavailable, match="missing"):
        schema.upgrade()


def _delete_and_kill(server: Postgres) -> None:
    with database.transaction() as connection:
        connection.execute(text("DELETE FROM tag_link"))
        server.kill()
        connection.execute(TAGS)


@pytest.mark.chaos
def test_a_server_killed_in_the_middle_is_unavailable_and_then_back(
    own_postgres: Postgres, tenant: str
) -> None:
    url = own_postgres.create_database()
    with configured(database_url=url):
        schema.upgrade()
        store = Store(url)
        store.tag(tenant, "legacy", tables=new_ids(3))
        with pytest.raises(StoreUnavailable):
            _delete_and_kill(own_postgres)
        with pytest.raises(StoreUnavailable), database.transaction():
            pass
        own_postgres.start()
        with database.transaction() as connection:
            assert connection.execute(TAGS).scalar_one() == 1
        store.close()
        store = Store(url)
        assert len(store.links(tenant)) == 3
        store.close()


def test_what_a_constraint_refuses_is_refused_for_good(store: Store, tenant: str) -> None:
    with pytest.raises(StoreRefused) as raised:
        _insert(tenant, times=2)
    assert raised.value.by_item
    assert store.tags(tenant) == {}


@pytest.mark.parametrize(
    "url, shown",
    [
        ("postgresql://u:secret@h:1/db", "postgresql://u:***@h:1/db"),
        ("sqlite:////a/b.db", "sqlite:////a/b.db"),
    ],
)
def test_a_store_is_described_without_its_password(url: str, shown: str) -> None:
    assert database_url.described(url) == shown
