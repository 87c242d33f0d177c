"""Statements that are sent together come to what they come to one by one."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from tagsweep.worker import database
from tagsweep.worker.database import pipelines
from tagsweep.worker.database.statements import Statement
from tagsweep.worker.errors import StoreBusy, StoreRefused, StoreUnavailable
from tests.support.stores import Store

ADD = Statement("INSERT INTO @tag (tenant, name) VALUES (:tenant, :name) RETURNING name")
COUNT = Statement("SELECT count(*) AS tags FROM @tag WHERE tenant = :tenant")
END = Statement("SELECT pg_terminate_backend(pg_backend_pid()) AS ended WHERE :tenant <> ''")


def _add(tenant: str, *names: str, then: Statement | None = None) -> None:
    """Add tags in one pipeline, and commit."""
    with database.transaction() as connection, pipelines.pipelined(connection):
        for name in names:
            pipelines.send(connection, ADD, {"tenant": tenant, "name": name})
        if then is not None:
            pipelines.send(connection, then, {"tenant": tenant})
        pipelines.commit(connection)


def test_each_statement_sees_what_those_before_it_did(postgres_store: Store, tenant: str) -> None:
    with database.transaction() as connection:
        with pipelines.pipelined(connection):
            none = pipelines.send(connection, COUNT, {"tenant": tenant})
            added = pipelines.send(connection, ADD, {"tenant": tenant, "name": "a"})
            one = pipelines.send(connection, COUNT, {"tenant": tenant})
            pipelines.commit(connection)
        assert (none()[0].tags, added()[0].name, one()[0].tags) == (0, "a", 1)
    assert postgres_store.tags(tenant).keys() == {"a"}


def test_behind_an_error_nothing_is_done_and_nothing_committed(
    postgres_store: Store, tenant: str
) -> None:
    with pytest.raises(StoreRefused, match="duplicate key"):
        _add(tenant, "a", "a", "b")
    assert postgres_store.tags(tenant) == {}
    _add(tenant, "a")  # the session is as good as before
    assert postgres_store.tags(tenant).keys() == {"a"}


def _add_behind_a_commit(
    tenant: str, *names: str, then: Statement | None = None, fail: bool = False
) -> None:
    """Add a tag and commit, then further ones in the transaction that follows; one round trip."""
    with database.transaction() as connection:
        with pipelines.pipelined(connection):
            pipelines.send(connection, ADD, {"tenant": tenant, "name": "first"})
            pipelines.commit(connection)
            for name in names:
                pipelines.send(connection, ADD, {"tenant": tenant, "name": name})
            if then is not None:
                pipelines.send(connection, then, {"tenant": tenant})
        if fail:
            raise ValueError(tenant)


def test_what_is_sent_behind_a_commit_is_a_transaction_of_its_own(
    postgres_store: Store, tenant: str
) -> None:
    with pytest.raises(ValueError, match=tenant):
        _add_behind_a_commit(tenant, "second", fail=True)
    assert postgres_store.tags(tenant).keys() == {"first"}


def test_an_error_behind_a_commit_does_not_undo_it(postgres_store: Store, tenant: str) -> None:
    with pytest.raises(StoreRefused, match="duplicate key"):
        _add_behind_a_commit(tenant, "second", "second")
    assert postgres_store.tags(tenant).keys() == {"first"}


def test_nothing_is_done_twice_where_a_session_forgets_what_follows_a_commit(
    postgres_store: Store, tenant: str
) -> None:
    with database.transaction() as connection, pipelines.pipelined(connection):
        pipelines.send(connection, COUNT, {"tenant": tenant})
    with database.transaction() as connection:
        connection.exec_driver_sql("DEALLOCATE ALL")
    with pytest.raises(StoreBusy):
        _add_behind_a_commit(tenant, then=COUNT)
    assert postgres_store.tags(tenant).keys() == {"first"}
    _add(tenant, "b")
    assert postgres_store.tags(tenant).keys() == {"first", "b"}


def test_a_transaction_that_only_reads_leaves_prepared_what_is(
    postgres_store: Store, tenant: str
) -> None:
    assert postgres_store.tags(tenant) == {}
    prepared = "SELECT count(*) FROM pg_prepared_statements"
    for _ in range(10):  # psycopg prepares what is executed often
        with database.reading() as connection:
            connection.exec_driver_sql("SELECT 1").scalar_one()
    with database.reading() as connection:
        assert connection.exec_driver_sql(prepared).scalar_one() > 0


def test_what_is_raised_meanwhile_rolls_back_what_was_sent(
    postgres_store: Store, tenant: str
) -> None:
    def fail() -> None:
        with database.transaction() as connection, pipelines.pipelined(connection):
            pipelines.send(connection, ADD, {"tenant": tenant, "name": "a"})
            raise ValueError(tenant)

    with pytest.raises(ValueError, match=tenant):
        fail()
    assert postgres_store.tags(tenant) == {}


def test_a_session_that_is_lost_meanwhile_is_replaced(postgres_store: Store, tenant: str) -> None:
    with pytest.raises(StoreUnavailable):
        _add(tenant, "a", then=END)
    _add(tenant, "b")
    assert postgres_store.tags(tenant).keys() == {"b"}


def test_what_a_session_has_forgotten_is_prepared_anew(postgres_store: Store, tenant: str) -> None:
    _add(tenant, "a")
    with database.transaction() as connection:  # as psycopg does after some rollbacks
        connection.exec_driver_sql("DEALLOCATE ALL")
    _add(tenant, "b")
    _add(tenant, "c")
    assert postgres_store.tags(tenant).keys() == {"a", "b", "c"}


def _twice(connection: Connection, tenant: str) -> None:
    with pipelines.pipelined(connection):
        for _ in range(2):
            pipelines.send(connection, ADD, {"tenant": tenant, "name": "a"})


def test_a_session_can_be_used_as_ever_behind_an_error_in_a_round_trip(
    postgres_store: Store, tenant: str
) -> None:
    with database.transaction() as connection:
        with pytest.raises(DBAPIError, match="duplicate key"):
            _twice(connection, tenant)
        connection.rollback()
        with pipelines.pipelined(connection):
            none = pipelines.send(connection, COUNT, {"tenant": tenant})
        assert none()[0].tags == 0
    assert postgres_store.tags(tenant) == {}
