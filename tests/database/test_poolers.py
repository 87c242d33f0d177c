"""PgBouncer before the store: nothing is kept by session, and one session is enough."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from tagsweep.worker import database
from tagsweep.worker.chunks import poison
from tagsweep.worker.database import schema
from tagsweep.worker.errors import SettingsError, StoreBusy, TagsweepError
from tests.conftest import running
from tests.servers import PgBouncer, Postgres, Redis
from tests.support import driving
from tests.support.fixtures import configured
from tests.support.gateway import serving
from tests.support.locks import held_table
from tests.support.stack import (
    ROOT,
    ServerStack,
    environment,
    eventually,
)
from tests.support.stores import (
    Store,
    counts,
    new_ids,
    new_tenant,
)

pytestmark = [pytest.mark.integration, pytest.mark.default_configuration]

_IN_FORCE = text("""
SELECT current_setting('jit'), current_setting('lock_timeout'),
    current_setting('statement_timeout'),
    current_setting('idle_in_transaction_session_timeout'), current_setting('timezone'),
    current_setting('transaction_isolation'), current_setting('client_encoding')
""")
OURS = ("off", "7s", "5min", "5min", "UTC", "read committed", "UTF8")
#: what a role or a database may be set to
OTHER = {
    "jit": "on",
    "lock_timeout": "10ms",
    "statement_timeout": "3s",
    "idle_in_transaction_session_timeout": "3s",
    "timezone": "Asia/Tokyo",
    "default_transaction_isolation": "serializable",
    "client_encoding": "latin1",
    "standard_conforming_strings": "off",
}


@contextmanager
def _pooled(server: Postgres, **options: Any) -> Iterator[PgBouncer]:
    with running(PgBouncer(server.url, **options)) as pooler:
        yield pooler


@pytest.fixture(scope="module")
def pooler(postgres_server: Postgres) -> Iterator[PgBouncer]:
    """PgBouncer in transaction mode, as it comes, with three connections to the server."""
    with _pooled(postgres_server, pool_size=3) as found:
        yield found


@pytest.fixture(scope="module")
def narrow(postgres_server: Postgres) -> Iterator[PgBouncer]:
    """The same with a single connection to the server."""
    with _pooled(postgres_server, pool_size=1) as found:
        yield found


@contextmanager
def _stack(
    pooler: PgBouncer, store: Store, redis_server: Redis, folder: Path, workers: int
) -> Iterator[ServerStack]:
    url = pooler.before(store.url)
    stack = ServerStack("redis", folder, url, redis_server.create_database())
    try:
        for _ in range(workers):
            stack.start_worker(concurrency=2)
        stack.wait()
        yield stack
    finally:
        stack.close()


def _set_otherwise(store: Store) -> None:
    name = store.url.rpartition("/")[2]
    with psycopg.connect(store.url, autocommit=True) as connection:
        for setting, value in OTHER.items():
            connection.execute(f"ALTER DATABASE {name} SET {setting} = '{value}'")


def _in_force() -> tuple[Any, ...]:
    with database.transaction() as connection:
        return tuple(connection.execute(_IN_FORCE).one())


def _prepared() -> set[str]:
    """Return the names of what is prepared in a session of the pooler."""
    with database.transaction() as connection:
        return set(
            connection.execute(text("SELECT name FROM pg_prepared_statements")).scalars().all()
        )


@pytest.mark.parametrize("mode", ["transaction", "session"])
def test_a_pooler_as_it_comes_is_found_out(
    postgres_server: Postgres, postgres_store: Store, mode: str
) -> None:
    with (
        _pooled(postgres_server, pool_mode=mode) as pooler,
        configured(database_url=pooler.before(postgres_store.url)),
    ):
        schema.ready()
        for _ in range(10):
            with database.transaction() as connection:
                assert database.is_pooled(connection)
                connection.execute(text("SELECT name FROM tag WHERE tenant = 'a'"))
        assert _prepared() == set()


def test_the_server_itself_is_no_pooler(postgres_store: Store) -> None:
    assert postgres_store.outbox() == []
    with database.transaction() as connection:
        assert not database.is_pooled(connection)
    told = configured(database_url=postgres_store.url, pooler="transaction")
    with told, database.transaction() as connection:
        assert database.is_pooled(connection)


@pytest.mark.parametrize(
    "through, told",
    [
        ("the server itself", {}),
        ("the server itself", {"pooler": "transaction"}),
        ("the server itself", {"pooler": "none"}),
        ("a pooler", {}),
        ("a pooler", {"pooler": "transaction"}),
    ],
)
def test_our_settings_are_in_force_whatever_the_database_is_set_to(
    postgres_store: Store, pooler: PgBouncer, through: str, told: dict[str, str]
) -> None:
    _set_otherwise(postgres_store)
    url = pooler.before(postgres_store.url) if through == "a pooler" else postgres_store.url
    with configured(database_url=url, lock_timeout_s=7, **told):
        assert [_in_force() for _ in range(3)] == [OURS] * 3
        with database.reading() as connection:
            assert tuple(connection.execute(_IN_FORCE).one()) == OURS
        with database.snapshot() as connection:
            assert connection.execute(_IN_FORCE).one()[5] == "repeatable read"


def test_nothing_of_ours_stays_in_a_session_of_the_pooler(
    postgres_store: Store, narrow: PgBouncer
) -> None:
    url = narrow.before(postgres_store.url)
    with configured(database_url=url, lock_timeout_s=7):
        assert _in_force() == OURS
    with psycopg.connect(url) as other:
        (found,) = other.execute("SHOW lock_timeout").fetchall()
        assert found == ("0",)


@pytest.mark.slow
def test_a_lock_is_waited_for_as_long_as_is_set_behind_a_pooler(
    postgres_store: Store, pooler: PgBouncer
) -> None:
    with (
        configured(database_url=pooler.before(postgres_store.url), lock_timeout_s=1),
        held_table(postgres_store, "tag"),
        pytest.raises(StoreBusy),
        database.transaction() as connection,
    ):
        connection.execute(text("SELECT count(*) FROM tag"))


@pytest.mark.slow
def test_a_statement_takes_no_longer_than_is_set_behind_a_pooler(
    postgres_store: Store, pooler: PgBouncer
) -> None:
    with (
        configured(database_url=pooler.before(postgres_store.url), statement_timeout_s=1),
        pytest.raises(TagsweepError, match="statement timeout"),
        database.transaction() as connection,
    ):
        connection.execute(text("SELECT pg_sleep(10)"))


def test_options_of_the_url_are_carried_out_or_refused(
    postgres_store: Store, pooler: PgBouncer
) -> None:
    options = "?options=-csearch_path%3Dtwo%20-cstatement_timeout%3D9s&application_name=mine"
    query = text(
        "SELECT current_setting('search_path'), current_setting('statement_timeout'),"
        " current_setting('application_name')"
    )
    with configured(database_url=postgres_store.url + options), database.reading() as connection:
        assert tuple(connection.execute(query).one()) == ("two", "9s", "mine")
    with configured(database_url=pooler.before(postgres_store.url) + options):
        with pytest.raises(SettingsError) as raised, database.reading():
            pass
        assert "TAGSWEEP_DATABASE_URL has options (search_path, " in str(raised.value)
        assert "TAGSWEEP_SCHEMA" in str(raised.value)


def test_a_pooler_that_was_not_found_out_is_believed_in_at_the_first_clash(
    postgres_store: Store, pooler: PgBouncer
) -> None:
    url = pooler.before(postgres_store.url)
    query = text("SELECT id FROM tag WHERE tenant = :tenant")

    def read(_: int) -> str:
        try:
            with database.transaction() as connection:
                connection.execute(query, {"tenant": "a"}).all()
        except TagsweepError:
            return "clash"
        return "read"

    with configured(database_url=url, pooler="none"), ThreadPoolExecutor(6) as pool:
        assert "clash" in set(pool.map(read, range(200)))
        assert set(pool.map(read, range(200))) == {"read"}
        with database.transaction() as connection:
            assert database.is_pooled(connection)


@pytest.mark.slow
def test_all_kinds_of_jobs_are_right_on_three_connections(
    postgres_store: Store, pooler: PgBouncer, redis_server: Redis, tmp_path: Path
) -> None:
    tenant, ids = new_tenant(), new_ids(500)
    postgres_store.tag(tenant, "legacy", tables=ids)
    postgres_store.workspace(tenant, "w", {"env": "dev"})
    with _stack(pooler, postgres_store, redis_server, tmp_path, workers=2) as stack:
        body = {"tenant": tenant, "names": ["legacy"]}
        sent = [stack.send("tags.detach", {**body, "tables": [one]}) for one in ids]
        done = [one.get(timeout=60) for one in sent]
        assert [one["counts"] for one in done] == [counts(total=1, removed=1)] * len(ids)
        undone = stack.run("tags.undo", {"tenant": tenant, "job": sent[0].id})
        assert undone["counts"]["added"] == 1
        attached = stack.run("tags.attach", {**body, "tables": ids[1:]})
        assert attached["counts"]["added"] == len(ids) - 1
        gone = stack.detach(tenant, ["legacy"], tables="*")
        assert gone["counts"] == counts(total=len(ids), removed=len(ids))
        deleted = stack.delete(tenant, ["w"], tags=[{"key": "env"}])
        assert deleted["counts"] == counts(total=1, removed=1)
        assert postgres_store.links(tenant) == set()
        for worker in stack.workers:
            assert "prepared statement" not in worker.log
            assert "Traceback" not in worker.log


@pytest.mark.slow
def test_one_connection_is_enough_for_workers_a_gateway_and_commands(
    postgres_store: Store, narrow: PgBouncer, redis_server: Redis, tmp_path: Path
) -> None:
    tenant, ids = new_tenant(), new_ids(300)
    postgres_store.tag(tenant, "legacy", tables=ids)
    with _stack(narrow, postgres_store, redis_server, tmp_path, workers=0) as stack:
        for _ in range(2):
            stack.start_worker(concurrency=2, chunk_size=10)
        stack.wait()
        with serving(stack) as gateway, gateway.client(tenant) as client:
            with postgres_store.transaction() as connection:
                poison.alert(connection)  # each step is counted first
            pending = stack.send(
                "tags.detach", {"tenant": tenant, "names": ["legacy"], "tables": ids[:250]}
            )
            answer = client.post(
                "/api/v1/tags/detach/", json={"names": ["legacy"], "tables": ids[250:290]}
            )
            assert answer.status_code == 200, answer.text
            command = [sys.executable, "-m", "tagsweep.producer.cli", "detach", "--tenant", tenant]
            command += ["--name", "legacy", "--tables", ",".join(ids[290:])]
            done = subprocess.run(
                command,
                cwd=ROOT,
                env=environment(**stack.settings),
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
            )
            assert done.returncode == 0, done.stderr
            assert pending.get(timeout=60)["counts"] == counts(total=250, removed=250)
            with client.stream("GET", f"/api/v1/jobs/{pending.id}/receipt") as receipt:
                assert sum(1 for line in receipt.iter_lines() if line) == 250
        assert postgres_store.links(tenant) == set()
        eventually(lambda: all(row.published_at for row in postgres_store.outbox()))


def test_a_step_is_counted_before_its_transaction_behind_a_pooler(
    postgres_store: Store, narrow: PgBouncer
) -> None:
    tenant, ids = new_tenant(), new_ids(6)
    with configured(database_url=narrow.before(postgres_store.url)):
        postgres_store.tag(tenant, "legacy", tables=ids)
        with postgres_store.transaction() as connection:
            poison.alert(connection)
        driving.chunk_size(2)
        done = driving.run(driving.detach_job(tenant, ["legacy"], tables=ids))
    assert done["counts"] == counts(total=6, removed=6)


def test_the_schema_is_made_through_a_pooler(postgres_url: str, narrow: PgBouncer) -> None:
    with configured(database_url=narrow.before(postgres_url)):
        assert schema.upgrade() == schema.known()[-1]
        schema.ready()
