"""``manage.py tagsweep_events``: what a Django project does after each job, not less than once."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tagsweep.worker.events import relay
from tagsweep.worker.models.jobs import DetachJob
from tests.docs import blocks
from tests.servers import Postgres
from tests.servers.processes import kill_tree, spawn
from tests.support import driving
from tests.support.own_tables import TENANT
from tests.support.projects import Project, project
from tests.support.stack import ROOT, eventually

pytestmark = pytest.mark.slow


@pytest.fixture
def blog(postgres_server: Postgres, postgres_template: str, tmp_path: Path) -> Iterator[Project]:
    """The project, for one test."""
    with project(postgres_server, postgres_template, tmp_path) as found:
        yield found


def _detached(ids: Any, tenant: str = TENANT, **options: Any) -> str:
    body = {"tenant": tenant, "names": ["old", "new"], "resources": {"articles": ids}, **options}
    data = driving.run(DetachJob.parse(body))
    relay.deliver()
    return str(data["job_id"])


def _indexed(blog: Project) -> list[tuple[str, int]]:
    rows = blog.own.execute("SELECT job, article FROM blog_indexed ORDER BY id")
    return [(str(row.job), row.article) for row in rows]


def _events(blog: Project, *options: str, **extra: str) -> str:
    return blog.run("manage", "tagsweep_events", "--once", *options, **extra)


def test_each_job_is_told_once_with_what_it_changed(blog: Project) -> None:
    ids = [row.id for row in blog.own.execute("SELECT id FROM blog_article ORDER BY id LIMIT 250")]
    driving.chunk_size(64)
    first = _detached([*ids, 10**9])
    _events(blog)
    assert sorted(set(_indexed(blog))) == [(first, each) for each in ids]
    before = _indexed(blog)
    _events(blog)
    assert _indexed(blog) == before
    _detached(ids, dry_run=True)
    second = _detached("*")
    _events(blog)
    later = _indexed(blog)[len(before) :]
    assert {job for job, _ in later} == {second}
    assert {article for _, article in later}.isdisjoint(ids)
    assert len({article for _, article in later}) == 250


def test_what_a_receiver_failed_on_comes_again_and_nothing_is_kept_of_the_failure(
    blog: Project,
) -> None:
    fails = blog.folder / "fails"
    ids = [row.id for row in blog.own.execute("SELECT id FROM blog_article ORDER BY id LIMIT 4")]
    first, second = _detached(ids[:2]), _detached(ids[2:])
    fails.touch()
    for _ in range(2):
        done = blog.tried("manage", "tagsweep_events", "--once", BLOG_FAILS=str(fails))
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1] == (
            f"CommandError: A receiver of job_completed failed on the event {first}.1: "
            "RuntimeError: the index is down"
        )
        assert "Traceback" not in done.stderr
        assert _indexed(blog) == []
    fails.unlink()
    _events(blog)
    assert set(_indexed(blog)) == {
        *((first, each) for each in ids[:2]),
        *((second, each) for each in ids[2:]),
    }


def test_each_consumer_has_its_own_position_and_may_leave_out_the_past(blog: Project) -> None:
    ids = [row.id for row in blog.own.execute("SELECT id FROM blog_article ORDER BY id LIMIT 3")]
    first = _detached(ids[:1])
    _events(blog, "--name", "late", "--from-now")
    assert _indexed(blog) == []
    second = _detached(ids[1:2])
    _events(blog, "--name", "late", "--from-now")
    assert {job for job, _ in _indexed(blog)} == {second}
    _events(blog)
    assert {job for job, _ in _indexed(blog)} == {first, second}


def test_a_consumer_that_is_killed_goes_on_where_it_was(blog: Project) -> None:
    fails = blog.folder / "fails"
    fails.touch()
    ids = [row.id for row in blog.own.execute("SELECT id FROM blog_article ORDER BY id LIMIT 20")]
    command = ["manage", "tagsweep_events"]

    def start(**extra: str) -> Any:
        return spawn(
            [sys.executable, "-m", "tests.support.blog", *command],
            folder=blog.folder,
            environment={**blog.environment(), **extra},
        )

    stuck = start(BLOG_FAILS=str(fails))
    first = _detached(ids[:5])
    eventually(lambda: "the index is down Trying again" in (blog.folder / "log").read_text())
    kill_tree(stuck)
    assert _indexed(blog) == []
    running = start()
    eventually(lambda: len(_indexed(blog)) >= 5)
    second = _detached(ids[5:])
    eventually(lambda: len({article for _, article in _indexed(blog)}) == 20)
    kill_tree(running)
    assert {job for job, _ in _indexed(blog)} == {first, second}
    before = _indexed(blog)
    _events(blog)
    assert _indexed(blog) == before


def test_the_lines_of_the_document_index_what_has_changed(blog: Project) -> None:
    (block,) = (
        one for one in blocks.read(ROOT / "docs" / "django.md") if "job_completed" in one.text
    )
    assert len(block.text.splitlines()) <= 15
    indexed, program = blog.folder / "index", blog.folder / "receivers_of_the_document.py"
    lines = block.text.replace("from blog.models", "from tests.support.blog.models")
    index = f"""
class index:
    def update(articles):
        with open({str(indexed)!r}, "a") as file:
            file.writelines(f"{{each.pk}}\\n" for each in articles)
"""
    assert "from blog.search import index\n" in lines
    program.write_text(lines.replace("from blog.search import index\n", index))
    ids = [row.id for row in blog.own.execute("SELECT id FROM blog_article ORDER BY id LIMIT 7")]
    _detached(ids)
    _events(blog, BLOG_RECEIVERS=str(program))
    assert sorted(map(int, indexed.read_text().split())) == ids
