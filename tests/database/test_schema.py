"""The schema: what the migrations build is what the code says, and nobody migrates half-way."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, create_engine, inspect, text

from tagsweep.worker import database
from tagsweep.worker.database import location, schema
from tagsweep.worker.errors import SchemaMismatch
from tagsweep.worker.models.tables import metadata
from tests.support.fixtures import configured
from tests.support.stack import environment
from tests.support.stores import Store

UPGRADE = "from tagsweep.worker.database import schema; print(schema.upgrade())"


@contextmanager
def plain(store: Store) -> Iterator[Connection]:
    """Connect as SQLAlchemy does by itself: it reads a catalogue's columns as text alone."""
    path = {} if store.url.startswith("sqlite") else {"options": "-csearch_path=tagsweep"}
    engine = create_engine(store.url, connect_args=path)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def test_the_numbers_of_the_files_are_the_revisions() -> None:
    configuration = Config()
    configuration.set_main_option("script_location", str(schema.MIGRATIONS))
    script = ScriptDirectory.from_config(configuration)
    assert schema.known() == [one.revision for one in reversed([*script.walk_revisions()])]


def test_the_migrations_build_what_the_tables_say(store: Store) -> None:
    with plain(store) as connection:
        options = {"compare_type": True, "version_table": location.VERSIONS}
        context = MigrationContext.configure(connection, opts=options)
        unqualified = MetaData()
        for table in metadata.sorted_tables:
            table.to_metadata(unqualified, schema=cast("Any", None))
        assert compare_metadata(context, unqualified) == []


def test_on_sqlite_the_hot_tables_have_no_rowid(sqlite_store: Store) -> None:
    query = text("SELECT name FROM pragma_table_list WHERE wr = 1 AND schema = 'main'")
    with sqlite_store.transaction() as connection:
        found = set(connection.execute(query).scalars())
    assert {"tag_link", "workspace_tag", "workspace"} <= found


def test_ids_are_native_uuids_on_postgresql(postgres_store: Store) -> None:
    with plain(postgres_store) as connection:
        columns = inspect(connection).get_columns("tag_link")
    types = {column["name"]: str(column["type"]) for column in columns}
    assert types["tag_id"] == types["resource_id"] == "UUID"
    assert types["resource_type"] == "SMALLINT"


def test_upgrading_again_changes_nothing(store: Store, tenant: str) -> None:
    store.tag(tenant, "legacy")
    head = schema.upgrade()
    assert schema.upgrade() == head
    schema.ready()
    assert set(store.tags(tenant)) == {"legacy"}


def _upgrade_at_once(url: str, processes: int) -> list[str]:
    """Upgrade one store from several processes at once; return what each has printed."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", UPGRADE],
            env=environment(database_url=url),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(processes)
    ]
    return [process.communicate(timeout=60)[0].strip() for process in started]


@pytest.mark.slow
def test_processes_that_migrate_one_new_file_at_once_agree(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'tagsweep.db'}"
    told = _upgrade_at_once(url, processes=3)
    with configured(database_url=url):
        assert told == [schema.upgrade()] * 3


@pytest.mark.slow
def test_processes_that_migrate_one_new_database_at_once_agree(postgres_url: str) -> None:
    told = _upgrade_at_once(postgres_url, processes=3)
    with configured(database_url=postgres_url):
        assert told == [schema.upgrade()] * 3


def test_a_new_embedded_store_is_made_on_the_spot(tmp_path: Path) -> None:
    path = tmp_path / "tagsweep.db"
    with configured(database_url=f"sqlite:///{path}"):
        schema.ready()
        schema.ready()
        with database.reading() as connection:
            assert schema.revision(connection) == schema.upgrade()


def test_a_server_s_empty_database_wants_to_be_migrated_on_purpose(postgres_url: str) -> None:
    with (
        configured(database_url=postgres_url),
        pytest.raises(SchemaMismatch, match="run `tagsweep migrate`"),
    ):
        schema.ready()


def test_a_schema_newer_than_this_version_is_refused(store: Store) -> None:
    with store.transaction() as connection:
        connection.execute(text("UPDATE tagsweep_version SET version_num = '9999'"))
    with pytest.raises(SchemaMismatch, match="schema 9999, which this version"):
        schema.ready()


@pytest.mark.slow
def test_a_worker_does_not_start_on_a_database_without_a_schema(postgres_url: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "tagsweep", "worker", "--pool", "solo"],
        env=environment(database_url=postgres_url),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode != 0
    assert "run `tagsweep migrate`" in done.stderr
