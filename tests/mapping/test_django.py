"""A real Django project with django-taggit: its own tables, and its own transactions."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import dict_row
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from tagsweep.producer import transactional
from tagsweep.worker.errors import Rejected
from tagsweep.worker.models.jobs import DetachJob, UndoJob
from tests.servers import Postgres
from tests.support import driving
from tests.support.blog.__main__ import MANY
from tests.support.own_tables import TENANT
from tests.support.projects import Project, project

pytestmark = pytest.mark.slow


@pytest.fixture
def blog(postgres_server: Postgres, postgres_template: str, tmp_path: Path) -> Iterator[Project]:
    """The project, for one test."""
    with project(postgres_server, postgres_template, tmp_path) as found:
        yield found


def test_detached_and_undone_the_table_is_what_it_was(blog: Project) -> None:
    before = blog.own.digest()
    driving.chunk_size(100)
    done = driving.run(
        DetachJob.parse({"tenant": TENANT, "names": ["old"], "resources": {"articles": "*"}})
    )
    assert (done["status"], done["counts"]["removed"]) == ("succeeded", MANY)
    assert blog.own.digest() != before
    body = {"tenant": TENANT, "job": done["job_id"]}
    undone = driving.run_recorded(driving.record(UndoJob.parse(body)))
    assert (undone["status"], undone["counts"]["added"]) == ("succeeded", MANY)
    assert blog.own.digest() == before


def test_rolled_back_by_django_there_is_no_job(blog: Project) -> None:
    job_id = blog.run("rollback")
    assert blog.own.store.job(job_id) is None
    assert blog.own.execute("SELECT 1 FROM blog_article WHERE title = 'changed'") == []


def test_committed_by_django_it_runs(blog: Project) -> None:
    job_id = blog.run("commit")
    assert len(blog.own.execute("SELECT 1 FROM blog_article WHERE title = 'changed'")) == 1
    assert driving.run_recorded(UUID(job_id))["counts"]["removed"] == MANY


def test_an_undo_is_recorded_by_django_too(blog: Project) -> None:
    before = blog.own.digest()
    job_id = blog.run("commit")
    driving.run_recorded(UUID(job_id))
    undone = driving.run_recorded(UUID(blog.run("undo", job_id)))
    assert (undone["status"], undone["counts"]["added"]) == ("succeeded", MANY)
    assert blog.own.digest() == before


def test_a_connection_of_psycopg_decides_by_its_own_transaction(blog: Project) -> None:
    job = {"kind": "detach", "tenant": TENANT, "names": ["old"], "resources": {"articles": "*"}}
    with psycopg.connect(blog.own.store.url, autocommit=True, row_factory=dict_row) as connection:
        with pytest.raises(Rejected, match="has no open transaction"):
            transactional.record(connection, job)
        with connection.transaction(force_rollback=True):
            gone = transactional.record(connection, job)
        with connection.transaction():
            kept = transactional.record(connection, job)
            assert blog.own.store.job(kept) is None
            assert connection.execute("SELECT 1 AS one").fetchall() == [{"one": 1}]
    assert blog.own.store.job(gone) is None
    assert driving.run_recorded(kept)["counts"]["removed"] == MANY


def test_an_asynchronous_session_decides_by_its_own_transaction(blog: Project) -> None:
    job = {"kind": "detach", "tenant": TENANT, "names": ["old"], "resources": {"articles": "*"}}
    url = blog.own.store.url.replace("postgresql:", "postgresql+psycopg:")

    async def recorded() -> UUID:
        engine = create_async_engine(url)
        async with AsyncSession(engine) as session, session.begin():
            job_id = await session.run_sync(lambda own: transactional.record(own.connection(), job))
        await engine.dispose()
        return job_id

    assert driving.run_recorded(asyncio.run(recorded()))["counts"]["removed"] == MANY


def test_any_other_connection_is_refused(blog: Project) -> None:
    job = {"kind": "detach", "tenant": TENANT, "names": ["old"], "resources": {"articles": "*"}}
    with pytest.raises(Rejected, match=r"not through Project\."):
        transactional.record(blog, job)
