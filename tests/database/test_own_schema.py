"""The store has a schema of its own: no search path, and no other project, gets in its way."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import create_engine, text

from tagsweep.producer.transactional import record
from tagsweep.worker import database, settings
from tagsweep.worker.database import location, schema
from tagsweep.worker.doctor import checks
from tagsweep.worker.errors import SchemaMismatch, SettingsError
from tagsweep.worker.models.tables import metadata
from tagsweep.worker.models.tables.audit import GUARD
from tests.support import driving
from tests.support.fixtures import configured
from tests.support.stack import environment
from tests.support.stores import Store, new_ids

NAMES = [table.name for table in metadata.sorted_tables]
THEIRS = """
from alembic import op
import sqlalchemy as sa
revision, down_revision = {revision!r}, {before!r}
def upgrade():
    op.create_table({table!r}, sa.Column("id", sa.Integer, primary_key=True))
def downgrade():
    op.drop_table({table!r})
"""
THEIR_ENV = """
from alembic import context
from sqlalchemy import create_engine
with create_engine(context.config.get_main_option("url")).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
"""


def ask(url: str, query: str) -> list[Any]:
    """Return what a session of the test's own is told."""
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(query)
        return cursor.fetchall() if cursor.description else []


def tables(url: str, where: str) -> set[str]:
    """Return the tables in a schema."""
    rows = ask(url, f"SELECT tablename FROM pg_tables WHERE schemaname = '{where}'")
    return {name for (name,) in rows}


def make_old(url: str, revision: str | None = None) -> str:
    """Bring a store to where an older version made it; return its revision."""
    head = revision or schema.known()[-1]
    with psycopg.connect(url, autocommit=True) as connection:
        for name in NAMES:
            connection.execute(f'ALTER TABLE tagsweep."{name}" SET SCHEMA public')
        connection.execute(f"ALTER FUNCTION tagsweep.{GUARD}() SET SCHEMA public")
        connection.execute("DROP SCHEMA tagsweep CASCADE")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS alembic_version (version_num varchar(32) PRIMARY KEY)"
        )
        connection.execute("INSERT INTO alembic_version VALUES (%s)", [head])
    return head


@pytest.fixture
def old(postgres_store: Store, tenant: str) -> Store:
    """A store in public, as older versions made it, with a tag and two links."""
    postgres_store.tag(tenant, "legacy", tables=new_ids(2, seed=1))
    postgres_store.close()
    database.engine().dispose()
    make_old(postgres_store.url)
    return postgres_store


def detach_all(tenant: str) -> int:
    """Detach the two links; return how many went."""
    job = driving.detach_job(tenant, ["legacy"], tables=new_ids(2, seed=1))
    removed: int = driving.finish(driving.opened(job))["counts"]["removed"]
    return removed


@contextmanager
def alembic(url: str, folder: Path) -> Iterator[Any]:
    """Give the command line of another project's Alembic."""
    (folder / "versions").mkdir(parents=True)
    (folder / "env.py").write_text(THEIR_ENV)
    (folder / "script.py.mako").write_text("")
    theirs = [("0001", None, "job"), ("ff02", "0001", "outbox"), ("ff03", "ff02", "tag")]
    for revision, before, table in theirs:
        script = THEIRS.format(revision=revision, before=before, table=table)
        (folder / "versions" / f"{revision}.py").write_text(script)
    ini = folder / "alembic.ini"
    there = url.replace("postgresql://", "postgresql+psycopg://")
    ini.write_text(f"[alembic]\nscript_location = {folder}\nurl = {there}\n")

    def run(*arguments: str) -> None:
        command = [sys.executable, "-m", "alembic", "-c", str(ini), *arguments]
        subprocess.run(command, check=True, capture_output=True, env=dict(os.environ))

    yield run


@pytest.mark.slow
def test_beside_another_project_s_alembic_both_go_on(
    postgres_url: str, tmp_path: Path, tenant: str
) -> None:
    ask(postgres_url, f"ALTER DATABASE {postgres_url.rpartition('/')[2]} RESET search_path")
    with (
        alembic(postgres_url, tmp_path / "theirs") as theirs,
        configured(database_url=postgres_url),
    ):
        theirs("upgrade", "0001")
        schema.upgrade()
        theirs("upgrade", "head")
        assert schema.upgrade() == schema.known()[-1]
        store = Store(postgres_url)
        store.tag(tenant, "legacy", tables=new_ids(2, seed=1))
        assert detach_all(tenant) == 2
        store.close()
        assert schema.move() is None
        assert tables(postgres_url, "public") == {"alembic_version", "job", "outbox", "tag"}
        theirs("downgrade", "base")
    assert tables(postgres_url, "public") == {"alembic_version"}
    assert set(NAMES) < tables(postgres_url, "tagsweep")


def test_no_search_path_decides_which_tables_are_meant(postgres_store: Store, tenant: str) -> None:
    url = postgres_store.url
    ask(url, "CREATE SCHEMA decoy")
    for name in (*NAMES, "tagsweep_version", "alembic_version"):
        ask(url, f'CREATE TABLE decoy."{name}" (nothing int)')
    ask(url, f"ALTER DATABASE {url.rpartition('/')[2]} SET search_path TO decoy")
    database.engine().dispose()
    postgres_store.close()
    postgres_store.tag(tenant, "legacy", tables=new_ids(2, seed=1))
    schema.ready()
    assert detach_all(tenant) == 2
    for name in NAMES:
        assert ask(url, f'SELECT count(*) FROM decoy."{name}"') == [(0,)]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["billing", "Sweep-2", "public", "user"])
def test_a_schema_of_any_name_works(postgres_url: str, tenant: str, name: str) -> None:
    with configured(database_url=postgres_url, schema=name):
        schema.upgrade()
        store = Store(postgres_url)
        store.tag(tenant, "legacy", tables=new_ids(2, seed=1))
        assert detach_all(tenant) == 2
        store.close()
        assert schema.elsewhere() is None
    assert set(NAMES) < tables(postgres_url, name)


@pytest.mark.parametrize(
    "name", ["pg_catalog", "pg_mine", "information_schema", 'a"b', "a b", "1a", "a" * 64, "ä"]
)
def test_a_name_that_is_none_is_refused_in_one_line(name: str) -> None:
    with configured(schema=name), pytest.raises(SettingsError, match="TAGSWEEP_SCHEMA=") as told:
        settings.load()
    assert "\n" not in str(told.value)


def test_an_old_store_works_where_it_is_and_is_told(old: Store, tenant: str) -> None:
    schema.ready()
    assert detach_all(tenant) == 2
    told = [finding.what for finding in checks.findings() if finding.about == "database"]
    assert any("in schema public" in one and "--move" in one for one in told)
    assert schema.upgrade() == schema.known()[-1]
    assert "tagsweep" not in {name for (name,) in ask(old.url, "SELECT nspname FROM pg_namespace")}


def test_moved_an_old_store_is_whole_and_others_rows_stay(old: Store, tenant: str) -> None:
    ask(old.url, "INSERT INTO alembic_version VALUES ('ff00aa')")
    ask(old.url, "CREATE TABLE theirs (id int)")
    links = old.links(tenant)
    old.close()
    database.engine().dispose()
    assert schema.move() == "public"
    assert schema.move() is None
    assert ask(old.url, "SELECT version_num FROM alembic_version") == [("ff00aa",)]
    assert tables(old.url, "public") == {"alembic_version", "theirs"}
    assert set(NAMES) < tables(old.url, "tagsweep")
    where = f"SELECT pronamespace::regnamespace::text FROM pg_proc WHERE proname = '{GUARD}'"
    assert ask(old.url, where) == [("tagsweep",)]
    schema.ready()
    fresh = Store(old.url)
    assert fresh.links(tenant) == links
    fresh.close()
    assert detach_all(tenant) == 2


def test_it_is_not_moved_while_tagsweep_is_connected(old: Store) -> None:
    with (
        psycopg.connect(old.url, application_name="tagsweep") as other,
        pytest.raises(SchemaMismatch, match=f"process {other.info.backend_pid} of role postgres"),
    ):
        schema.move()
    assert set(NAMES) < tables(old.url, "public")
    assert schema.move() == "public"


def test_a_role_that_sees_its_own_sessions_alone_does_not_move_it_under_another(old: Store) -> None:
    name = f"mover_{old.url.rpartition('/')[2]}"
    ask(old.url, f"CREATE ROLE {name} LOGIN")
    ask(old.url, f"GRANT CREATE ON DATABASE {old.url.rpartition('/')[2]} TO {name}")
    ask(old.url, f"GRANT CREATE ON SCHEMA public TO {name}")
    for table in (*NAMES, "alembic_version"):
        ask(old.url, f'ALTER TABLE public."{table}" OWNER TO {name}')
    with configured(database_url=old.url.replace("postgres@", f"{name}@")):
        with (
            psycopg.connect(old.url, application_name="tagsweep"),
            pytest.raises(SchemaMismatch, match="of role postgres"),
        ):
            schema.move()
        assert schema.move() == "public"


def test_tables_that_only_look_like_ours_are_never_taken(postgres_url: str) -> None:
    ask(postgres_url, "CREATE TABLE alembic_version (version_num varchar(32))")
    ask(postgres_url, "INSERT INTO alembic_version VALUES ('0001')")
    for name in NAMES:
        ask(postgres_url, f'CREATE TABLE public."{name}" (id int)')
    with configured(database_url=postgres_url):
        assert schema.upgrade() == schema.known()[-1]
        assert schema.move() is None
    assert ask(postgres_url, "SELECT version_num FROM alembic_version") == [("0001",)]


def test_a_foreign_table_in_the_schema_is_named(postgres_url: str) -> None:
    ask(postgres_url, "CREATE SCHEMA tagsweep")
    ask(postgres_url, "CREATE TABLE tagsweep.job (id int)")
    with configured(database_url=postgres_url), pytest.raises(SchemaMismatch, match=r"\(job\)"):
        schema.upgrade()


def test_a_role_without_the_right_is_told_what_the_owner_runs(postgres_url: str) -> None:
    role = f"poor_{postgres_url.rpartition('/')[2]}"
    ask(postgres_url, f"CREATE ROLE {role} LOGIN")
    with configured(database_url=postgres_url.replace("postgres@", f"{role}@")):
        with pytest.raises(SchemaMismatch) as raised:
            schema.upgrade()
        told = str(raised.value)
        statements = told.partition("owner run: ")[2].partition("; then")[0]
        assert statements.startswith('CREATE SCHEMA "tagsweep"; GRANT USAGE, CREATE')
        for one in statements.split("; "):
            ask(postgres_url, one)
        assert schema.upgrade() == schema.known()[-1]


def test_a_service_s_own_statements_stay_as_they_are(postgres_store: Store, tenant: str) -> None:
    postgres_store.tag(tenant, "legacy", tables=new_ids(2, seed=1))
    url = postgres_store.url.replace("postgresql://", "postgresql+psycopg://")
    ask(postgres_store.url, "CREATE SCHEMA theirs")
    ask(postgres_store.url, "CREATE TABLE theirs.job (id int)")
    engine = create_engine(url).execution_options(schema_translate_map={None: "theirs"})
    job = {"kind": "detach", "tenant": tenant, "names": ["legacy"], "tables": new_ids(2, seed=1)}
    with engine.begin() as connection:
        before = connection.get_execution_options()["schema_translate_map"]
        job_id = record(connection, job)
        assert connection.get_execution_options()["schema_translate_map"] == before
        connection.execute(text("INSERT INTO theirs.job VALUES (1)"))
    engine.dispose()
    driving.split(job_id)
    assert driving.finish(UUID(str(job_id)))["counts"]["removed"] == 2


@pytest.mark.slow
def test_a_worker_names_the_schema_that_moved_while_it_had_no_connection(
    old: Store, tenant: str
) -> None:
    schema.ready()
    database.engine().dispose()
    command = [sys.executable, "-m", "tagsweep.producer.cli", "migrate", "--move"]
    moved = subprocess.run(
        [*command],
        env=environment(database_url=old.url),
        capture_output=True,
        text=True,
        check=False,
    )
    assert moved.returncode == 0, moved.stderr
    assert detach_all(tenant) == 2
    with database.reading() as connection:
        found = location.find(connection, "tagsweep")
    assert found is not None
    assert found.schema == "tagsweep"
