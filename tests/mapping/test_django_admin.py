"""The admin of a real Django project: tags are changed by jobs, and each job has a page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest

from tagsweep.worker.models.jobs import DetachJob
from tests.servers import Postgres
from tests.support import driving
from tests.support.own_tables import TENANT
from tests.support.projects import Project, Visitor, project

pytestmark = pytest.mark.slow

ARTICLES = "/admin/blog/article/"
JOBS = "/admin/tagsweep/job/"
REMOVE, ADD = "remove_tags_in_background", "add_tags_in_background"


@pytest.fixture(scope="module")
def blog(
    postgres_server: Postgres, postgres_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    """The project, with users of every kind; 500 articles are "old", and half of them "new"."""
    with project(postgres_server, postgres_template, tmp_path_factory.mktemp("admin")) as found:
        found.run("users")
        yield found


@pytest.fixture(scope="module")
def site(blog: Project) -> Iterator[str]:
    """The URL of its pages."""
    # its processes know all from the project's settings
    blog.extra |= blog.bare(TENANT="tests.support.blog.tenants.of_request")
    with blog.serving() as url:
        yield url


@pytest.fixture
def visitor(site: str) -> Iterator[Visitor]:
    """Somebody who may start jobs."""
    somebody = Visitor(site, "starts")
    somebody.get(ARTICLES)
    yield somebody
    somebody.close()


def _ids(blog: Project, count: int) -> list[int]:
    rows = blog.own.execute("SELECT id FROM blog_article ORDER BY id LIMIT :n", n=count)
    return [row.id for row in rows]


def _fields(action: str, ids: list[int], **more: str) -> dict[str, object]:
    return {"action": action, "_selected_action": ids, "select_across": "0", **more}


def _job(page_url: object) -> str:
    found = re.fullmatch(r".*/admin/tagsweep/job/([0-9a-f-]{36})/", str(page_url))
    assert found, page_url
    return found[1]


def test_tags_are_removed_from_what_is_selected_after_a_preview(
    blog: Project, visitor: Visitor
) -> None:
    before, ids = blog.own.digest(), _ids(blog, 6)
    assert "Remove tags in the background" in visitor.page.text
    asked = visitor.post(ARTICLES, **_fields(REMOVE, ids))
    assert "6 articles selected" in asked.text
    shown = visitor.post(ARTICLES, **_fields(REMOVE, ids, names="old, new", note="spring clean"))
    assert "<strong>9</strong> links would be removed" in shown.text
    assert blog.own.digest() == before
    done = visitor.post(
        ARTICLES,
        **_fields(REMOVE, ids, names="old, new", note="spring clean", would="9"),
        previewed="old, new",
        confirm="Remove",
    )
    job_id = _job(done.url)
    assert done.headers["refresh"] == "2"
    assert 'id="status">queued<' in done.text
    data = driving.run_recorded(UUID(job_id))
    assert (data["status"], data["counts"]["removed"]) == ("succeeded", 9)
    assert (data["requested_by"]["name"], data["note"]) == ("starts", "spring clean")
    page = visitor.get(f"{JOBS}{job_id}/")
    assert "refresh" not in page.headers
    assert 'id="status">succeeded<' in page.text
    assert 'id="removed">9<' in page.text
    undo = visitor.post(f"{JOBS}{job_id}/undo/")
    assert _job(undo.url) != job_id
    assert driving.run_recorded(UUID(_job(undo.url)))["counts"]["added"] == 9
    assert blog.own.digest() == before
    assert job_id in visitor.get(JOBS).text


def test_tags_are_added_to_all_that_the_list_has(blog: Project, visitor: Visitor) -> None:
    ids = _ids(blog, 1)
    across = {**_fields(ADD, ids), "select_across": "1", "names": "new"}
    shown = visitor.post(ARTICLES, **across)
    assert "500 articles selected" in shown.text
    assert "<strong>250</strong> links would be added" in shown.text
    done = visitor.post(ARTICLES, **across, would="250", previewed="new", confirm="Add")
    job_id = _job(done.url)
    assert driving.run_recorded(UUID(job_id))["counts"]["added"] == 250
    nothing = visitor.post(ARTICLES, **across)
    assert "<strong>0</strong> links would be added" in nothing.text
    assert 'name="confirm"' not in nothing.text
    visitor.get(f"{JOBS}{job_id}/")
    undo = visitor.post(f"{JOBS}{job_id}/undo/")
    assert driving.run_recorded(UUID(_job(undo.url)))["counts"]["removed"] == 250


def test_what_was_not_previewed_is_not_started(blog: Project, visitor: Visitor) -> None:
    before, ids = blog.own.digest(), _ids(blog, 4)
    fields = _fields(REMOVE, ids, names="old", would="2", confirm="Remove")
    shown = visitor.post(ARTICLES, **fields, previewed="new")
    assert "<strong>4</strong> links would be removed" in shown.text
    done = visitor.post(ARTICLES, **fields, previewed="old")
    data = driving.run_recorded(UUID(_job(done.url)))
    assert (data["status"], data["errors"][0]["code"]) == ("rejected", "max_affected")
    page = visitor.get(str(done.url))
    assert "/max_affected: 4 items would be removed" in page.text
    assert blog.own.digest() == before


@pytest.mark.parametrize("names", ["", " , ", "unknown", "old, unknown"])
def test_names_that_are_no_tags_are_refused_in_the_form(
    blog: Project, visitor: Visitor, names: str
) -> None:
    refused = visitor.post(ARTICLES, **_fields(REMOVE, _ids(blog, 2), names=names))
    assert 'class="errorlist"' in refused.text
    assert "would be removed" not in refused.text
    if "unknown" in names:
        assert "There is no tag &quot;unknown&quot;." in refused.text


@pytest.mark.parametrize("name", ["edits", "views", "starts_only"])
def test_who_may_not_start_jobs_is_offered_none_and_gets_none(
    blog: Project, site: str, name: str
) -> None:
    somebody = Visitor(site, name)
    before = blog.own.execute("SELECT count(*) AS n FROM tagsweep.job")[0].n
    page = somebody.get(ARTICLES)
    assert "in the background" not in page.text
    fields = _fields(REMOVE, _ids(blog, 1), names="old", would="1", confirm="Remove")
    somebody.post(ARTICLES, **fields, previewed="old")
    assert blog.own.execute("SELECT count(*) AS n FROM tagsweep.job")[0].n == before
    somebody.close()


def test_the_pages_of_jobs_are_for_who_may_see_them_and_of_their_tenant(
    blog: Project, site: str
) -> None:
    job = {"tenant": TENANT, "names": ["old"], "resources": {"articles": [_ids(blog, 1)[0]]}}
    job_id = driving.record(DetachJob.parse(job))
    foreign = driving.record(DetachJob.parse({"tenant": "other", "names": ["a"], "tables": "*"}))
    seen = {}
    for name in ("all", "starts", "views", "edits", "nobody"):
        somebody = Visitor(site, name)
        seen[name] = (
            somebody.get(f"{JOBS}{job_id}/").status_code,
            'id="status"' in somebody.page.text,
        )
        if name in ("all", "views"):
            assert str(foreign) not in somebody.get(JOBS).text
            assert somebody.get(f"{JOBS}{foreign}/").status_code == 404
            assert somebody.get(f"{JOBS}{uuid4()}/").status_code == 404
        if name == "views":
            somebody.get(f"{JOBS}{job_id}/")
            assert "Cancel" not in somebody.page.text
            somebody.get("/admin/password_change/")  # has a form, so a token
            assert somebody.post(f"{JOBS}{job_id}/cancel/").status_code == 403
        somebody.close()
    assert [status for status, _ in seen.values()][:4] == [200, 200, 200, 403]
    assert [there for _, there in seen.values()] == [True, True, True, False, False]
    elsewhere = Visitor(site, "elsewhere")
    assert str(foreign) in elsewhere.get(JOBS).text
    assert elsewhere.get(f"{JOBS}{foreign}/").status_code == 200
    assert elsewhere.get(f"{JOBS}{job_id}/").status_code == 404
    elsewhere.close()
    starter = Visitor(site, "starts")
    starter.get(f"{JOBS}{job_id}/")
    assert starter.get(f"{JOBS}{job_id}/cancel/").status_code == 405
    starter.get(f"{JOBS}{job_id}/")
    starter.post(f"{JOBS}{job_id}/cancel/")
    assert 'id="status">cancelled<' in starter.get(f"{JOBS}{job_id}/").text
    starter.post(f"{JOBS}{job_id}/cancel/")
    starter.close()


def test_the_list_of_jobs_goes_back_to_the_first_a_page_at_a_time(site: str) -> None:
    def record(tenant: str) -> str:
        body = {"tenant": tenant, "names": ["a"], "tables": "*"}
        return str(driving.record(DetachJob.parse(body)))

    jobs = [record("paged") for _ in range(205)]
    somebody = Visitor(site, "paged")
    pages, links = [somebody.get(JOBS).text], ("Older", "Older", "Newer", "Newest")
    for link in links:
        found = re.search(rf'<a href="([^"]*)">{link}</a>', pages[-1])
        assert found, link
        pages.append(somebody.get(JOBS + found[1]).text)
    shown = [re.findall(r'<a href="/admin/tagsweep/job/([0-9a-f-]{36})/">', one) for one in pages]
    newest = jobs[::-1]
    parts = [newest[:100], newest[100:200], newest[200:]]
    assert shown == [*parts, parts[1], parts[0]]
    assert [">Newer<" in one for one in pages] == [False, True, True, True, False]
    assert [">Older<" in one for one in pages] == [True, True, False, True, True]
    for wrong in (uuid4(), "first", record("other")):
        assert somebody.get(f"{JOBS}?before={wrong}").status_code == 404
    somebody.close()


def test_links_are_counted_in_whichever_table_a_model_has_them(blog: Project) -> None:
    lines = blog.run("count").splitlines()
    assert lines == ["2 4", "['none']"] * 2
