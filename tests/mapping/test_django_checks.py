"""``manage.py check`` says what is wrong with a project's settings, a line each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers import Postgres
from tests.support.projects import Project, project, told

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def blog(
    postgres_server: Postgres, postgres_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    """The project."""
    with project(postgres_server, postgres_template, tmp_path_factory.mktemp("checks")) as found:
        yield found


#: TAGSWEEP in the settings, and what is said about it
WRONG: dict[str, tuple[Any, list[str]]] = {
    "no dictionary": ([1], ["E001) TAGSWEEP has to be a dictionary."]),
    "unknown keys": (
        {"TENNANT": "main"},
        ["E001) TAGSWEEP has no key 'TENNANT'.", "HINT: Did you mean TENANT?"],
    ),
    "resources that are a list": ({"RESOURCES": []}, ["E001) TAGSWEEP['RESOURCES'] has to be"]),
    "an unknown database": (
        {"DATABASE": "tags"},
        ["E002) TAGSWEEP['DATABASE'] is 'tags', which DATABASES has not.", "It has default."],
    ),
    "an unusable tenant": (
        {"TENANT": "my company"},
        ["E005) TAGSWEEP['TENANT'] is 'my company': it has to be 1 to 36 letters"],
    ),
    "a function that is none": (
        {"TENANT": "tests.support.blog.of_request"},
        ["E005) TAGSWEEP['TENANT']: 'tests.support.blog.of_request' is no function."],
    ),
    "an unknown model": (
        {"RESOURCES": {"blog.Story": "articles"}},
        ["E006) TAGSWEEP['RESOURCES']['blog.Story']: there is no model 'blog.Story'."],
    ),
    "a model without tags": (
        {"RESOURCES": {"blog.Indexed": "articles"}},
        ["E006) TAGSWEEP['RESOURCES']['blog.Indexed']: the model has no TaggableManager"],
    ),
    "an unknown resource": (
        {"RESOURCES": {"blog.Article": "pages"}},
        ["E006)", "the map has no resource 'pages'.", "HINT: It has articles."],
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_setting_is_one_line_that_names_it(blog: Project, wrong: str) -> None:
    given, lines = WRONG[wrong]
    done = blog.tried(
        "manage", "check", BLOG_TAGSWEEP=told(**given) if isinstance(given, dict) else "[1]"
    )
    assert done.returncode == 1
    assert "System check identified 1 issue" in done.stderr
    for line in lines:
        assert line in done.stderr
    assert "Traceback" not in done.stderr


def test_right_settings_have_no_line_and_need_no_environment(blog: Project) -> None:
    given = told(TENANT="main", RESOURCES={"blog.Article": "articles"})
    assert "no issues" in blog.run("manage", "check", BLOG_TAGSWEEP=given)
    assert "no issues" in blog.run("manage", "check", **blog.bare())
    blog.run("manage", "makemigrations", "--check", "--dry-run", "tagsweep")


def test_an_admin_of_a_model_without_tags_is_named(blog: Project) -> None:
    done = blog.tried("manage", "check", BLOG_ADMIN="yes")
    assert done.returncode == 1
    assert "E007) blog.Indexed has no TaggableManager of django-taggit." in done.stderr
    assert "HINT: Remove BackgroundTagsMixin from IndexedAdmin." in done.stderr


def test_a_map_that_is_missing_or_faulty_is_named(blog: Project, tmp_path: Path) -> None:
    missing, faulty = tmp_path / "none.toml", tmp_path / "faulty.toml"
    faulty.write_text("[tags]\ntabel = 1\n")
    done = blog.tried("manage", "check", TAGSWEEP_MAP=str(missing))
    assert (done.returncode, f"W004) There is no map {missing}." in done.stderr) == (0, True)
    done = blog.tried("manage", "check", TAGSWEEP_MAP=str(faulty))
    assert done.returncode == 1
    assert f"E004) {faulty}:2: tags.tabel: is no key of a map" in done.stderr


def test_a_store_that_is_another_database_is_named(blog: Project) -> None:
    other = blog.own.store.url.rpartition("/")[0] + "/elsewhere"
    done = blog.tried("manage", "check", TAGSWEEP_DATABASE_URL=other, BLOG_URL=blog.own.store.url)
    assert done.returncode == 1
    assert "E003) The store is the database 'elsewhere', and DATABASES['default'] is" in done.stderr
