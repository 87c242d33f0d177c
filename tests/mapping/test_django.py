"""A real Django project with django-taggit: its own tables, and its own transactions."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import dict_row

from tagsweep.producer import transactional
from tagsweep.worker import settings
from tagsweep.worker.errors import Rejected
from tagsweep.worker.mapping import file, presets, readiness
from tagsweep.worker.models.jobs import DetachJob, UndoJob
from tests.servers import Postgres
from tests.support import driving
from tests.support.blog.__main__ import MANY
from tests.support.own_tables import TENANT, OwnTables, mapped
from tests.support.stack import environment

pytestmark = pytest.mark.slow


@pytest.fixture
def blog(postgres_server: Postgres, postgres_template: str, tmp_path: Path) -> Iterator[OwnTables]:
    """The project's tables, made and filled by Django itself, and a map that was written for it."""
    url = postgres_server.create_database(postgres_template)
    with mapped(url, tmp_path, "", "") as found:
        _django(found, "fill")
        path = tmp_path / "tags.toml"
        path.write_text(presets.write("taggit"))
        file.load.cache_clear()
        readiness.check()
        yield found
    postgres_server.drop_database(url)


def _django(own: OwnTables, step: str) -> str:
    mapped_by = settings.load().map
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.blog", step],
        env=environment(database_url=own.store.url, map=mapped_by),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_detached_and_undone_the_table_is_what_it_was(blog: OwnTables) -> None:
    before = blog.digest()
    driving.chunk_size(100)
    done = driving.run(
        DetachJob.parse({"tenant": TENANT, "names": ["old"], "resources": {"articles": "*"}})
    )
    assert (done["status"], done["counts"]["removed"]) == ("succeeded", MANY)
    assert blog.digest() != before
    body = {"tenant": TENANT, "job": done["job_id"]}
    undone = driving.run_recorded(driving.record(UndoJob.parse(body)))
    assert (undone["status"], undone["counts"]["added"]) == ("succeeded", MANY)
    assert blog.digest() == before


def test_rolled_back_by_django_there_is_no_job(blog: OwnTables) -> None:
    job_id = _django(blog, "rollback")
    assert blog.store.job(job_id) is None
    assert blog.execute("SELECT 1 FROM blog_article WHERE title = 'changed'") == []


def test_committed_by_django_it_runs(blog: OwnTables) -> None:
    job_id = _django(blog, "commit")
    assert len(blog.execute("SELECT 1 FROM blog_article WHERE title = 'changed'")) == 1
    assert driving.run_recorded(UUID(job_id))["counts"]["removed"] == MANY


def test_a_connection_of_psycopg_decides_by_its_own_transaction(blog: OwnTables) -> None:
    job = {"kind": "detach", "tenant": TENANT, "names": ["old"], "resources": {"articles": "*"}}
    with psycopg.connect(blog.store.url, autocommit=True, row_factory=dict_row) as connection:
        with pytest.raises(Rejected, match="has no open transaction"):
            transactional.record(connection, job)
        with connection.transaction(force_rollback=True):
            gone = transactional.record(connection, job)
        with connection.transaction():
            kept = transactional.record(connection, job)
            assert blog.store.job(kept) is None
            assert connection.execute("SELECT 1 AS one").fetchall() == [{"one": 1}]
    assert blog.store.job(gone) is None
    assert driving.run_recorded(kept)["counts"]["removed"] == MANY


def test_any_other_connection_is_refused(blog: OwnTables) -> None:
    job = {"kind": "detach", "tenant": TENANT, "names": ["old"], "resources": {"articles": "*"}}
    with pytest.raises(Rejected, match=r"not through OwnTables\."):
        transactional.record(blog, job)
