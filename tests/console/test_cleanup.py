"""A new clean-up in the console: previewed, confirmed, run once, as it was previewed."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx
import pytest

from tagsweep.producer.gateway.console.presentation import questions
from tagsweep.worker.models.tables import ago
from tagsweep.worker.models.tables import job as jobs
from tagsweep.worker.store.inventory import tag_names
from tests.support.console import Person, signed_in
from tests.support.gateway import Gateway, ended, serving
from tests.support.stack import ServerStack
from tests.support.stores import new_ids, new_tenant

#: a fault between two fields, each of which is well formed
INTO_ITSELF = "cannot be merged into itself"
FORM = {"kind": "detach", "names": "legacy", "which-tables": "all"}


@pytest.fixture
def person(gateway: Gateway, tenant: str) -> Iterator[Person]:
    """Somebody with a key of the tenant."""
    with signed_in(gateway, tenant, name="Ada") as one:
        yield one


def _preview(person: Person, **fields: Any) -> httpx.Response:
    return person.submit("/console/new", **fields)


def _preview_id(page: httpx.Response) -> str:
    (found,) = set(re.findall(r'hx-post="/console/jobs/([0-9a-f-]+)/run"', page.text))
    return str(found)


def _run(person: Person, page: httpx.Response, typed: str = "") -> httpx.Response:
    return person.submit(f"/console/jobs/{_preview_id(page)}/run", typed=typed)


def _job(person: Person, tenant: str, answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 303, answer.text
    path = answer.headers["location"].replace("/console/jobs/", "/api/v1/jobs/")
    with person.gateway.client(tenant) as client:
        return ended(client, path)


def test_a_clean_up_is_previewed_and_then_run_once(person: Person, tenant: str) -> None:
    ids = new_ids(12)
    store = person.gateway.store
    store.tag(tenant, "legacy", tables=ids, folders=ids[:2])
    page = _preview(person, **FORM, note="spring")
    assert "12 of 12 items would be removed" in page.text
    assert sum(one in page.text for one in ids) == 10
    assert f"tagsweep detach --tenant {tenant} --name legacy" in html.unescape(page.text)
    assert len(store.links(tenant)) == 14
    answers = [_run(person, page) for _ in range(2)]
    (path,) = {answer.headers["location"] for answer in answers}
    done = _job(person, tenant, answers[0])
    assert done["counts"]["removed"] == 12
    assert done["previewed"] == _preview_id(page)
    assert done["requested_by"] == {"name": "Ada", "door": "console", "proved": True}
    assert done["note"] == "spring"
    assert len(store.links(tenant)) == 2
    assert path.endswith(done["id"])


def test_what_came_after_the_preview_is_left_alone(person: Person, tenant: str) -> None:
    store = person.gateway.store
    store.tag(tenant, "legacy", tables=new_ids(3))
    page = _preview(person, **FORM)
    store.tag(tenant, "legacy", tables=new_ids(3))
    done = _job(person, tenant, _run(person, page))
    assert done["counts"]["removed"] == 3
    assert len(store.links(tenant)) == 3


def test_a_guard_refuses_a_preview_of_more(person: Person, tenant: str) -> None:
    person.gateway.store.tag(tenant, "legacy", tables=new_ids(3))
    page = _preview(person, **FORM, max_affected="2")
    assert "The preview is rejected" in page.text
    assert "Run:" not in page.text


@pytest.mark.parametrize(
    "form, lists, changed",
    [
        ({"kind": "attach", "names": "new one"}, "tables", "3 of 3 items would be added"),
        ({"kind": "detach", "names": "legacy"}, "tables", "2 of 3 items would be removed"),
        (
            {"kind": "merge", "names": "legacy", "into": "new"},
            "tables",
            "2 of 3 items would be merged",
        ),
        ({"kind": "delete", "tags": "env=dev"}, "workspaces", "1 of 2 items would be removed"),
        ({"kind": "delete", "tags": "env"}, "workspaces", "2 of 2 items would be removed"),
        ({"kind": "set", "tags": "env=prod"}, "workspaces", "1 of 2 items would be set"),
    ],
)
def test_every_kind_can_be_asked_for(
    person: Person, tenant: str, form: dict[str, str], lists: str, changed: str
) -> None:
    ids, store = new_ids(3), person.gateway.store
    store.tag(tenant, "legacy", tables=ids[:2])
    store.workspace(tenant, "w-1", {"env": "dev"}, {})
    store.workspace(tenant, "w-2", {"env": "prod"}, {})
    entries = {"tables": "\n".join(ids), "workspaces": "w-1, w-2"}[lists]
    fields = {**form, f"ids-{lists}": entries}
    page = _preview(person, **fields)
    assert changed in page.text
    word = {"merge": "moved"}.get(form["kind"], changed.rsplit(" ", 1)[1])
    assert f" would be {word}, " in page.text  # among the counts too
    done = _job(person, tenant, _run(person, page))
    assert done["status"] == "succeeded"


@pytest.mark.default_configuration
def test_a_merge_is_previewed_run_and_undone(person: Person, tenant: str) -> None:
    ids, store = new_ids(3), person.gateway.store
    store.tag(tenant, "old", tables=ids)
    store.tag(tenant, "older", tables=ids[:1])
    store.tag(tenant, "new", tables=ids[2:])
    before = store.links(tenant)
    page = _preview(person, kind="merge", names="old\nolder", into="new", drop="1")
    shown = html.unescape(page.text)
    assert "4 of 4 items would be merged into new" in shown
    assert "2 would be moved, 2 present, 0 absent" in shown
    for item in ("moved", "present"):
        assert f'<td class="mono"><bdi>{item}</bdi></td>' in shown
    command = f"tagsweep merge --tenant {tenant} --name old --name older"
    assert command in shown
    assert "--into new --max-affected 4 --drop" in shown
    assert '"into": "new"' in shown
    assert "/api/v1/jobs/" in shown
    assert store.links(tenant) == before
    done = _job(person, tenant, _run(person, page))
    assert store.links(tenant) == {("new", "tables", one) for one in ids}
    assert set(store.tags(tenant)) == {"new"}
    own = f"/console/jobs/{done['id']}"
    text = html.unescape(person.get(own).text)
    assert "merge old, older into new" in text
    assert "2 moved" in text
    assert "2 present" in text
    assert "reverts the 4 changes" in person.get(f"{own}/undo").text
    undo = person.submit(f"{own}/undo", token="t")
    _job(person, tenant, undo)
    assert person.get(undo.headers["location"]).status_code == 200
    assert store.links(tenant) == before


def test_a_command_that_is_copied_changes_no_more_than_was_shown(
    person: Person, tenant: str
) -> None:
    person.gateway.store.tag(tenant, "legacy", tables=new_ids(3))
    assert "--max-affected 3" in _preview(person, **FORM).text
    assert "--max-affected 7" in _preview(person, **FORM, max_affected="7").text


def test_the_page_of_a_preview_tells_of_its_run(person: Person, tenant: str) -> None:
    person.gateway.store.tag(tenant, "legacy", tables=new_ids(2))
    preview = _preview_id(_preview(person, **FORM))
    own, button = f"/console/jobs/{preview}", "Run exactly this…"
    assert button in person.get(own).text
    done = _job(person, tenant, person.submit(f"{own}/run"))
    page = person.get(own).text
    assert button not in page
    assert f"job {done['id']}</a>" in page


def test_the_page_of_a_preview_tells_that_it_has_expired(person: Person, tenant: str) -> None:
    store = person.gateway.store
    store.tag(tenant, "legacy", tables=new_ids(2))
    preview = _preview_id(_preview(person, **FORM))
    with store.transaction() as connection:
        old = {"finished_at": ago(25 * 3_600)}
        connection.execute(jobs.update().where(jobs.c.id == UUID(preview)).values(old))
    page = person.get(f"/console/jobs/{preview}").text
    assert "This preview has expired" in page
    assert "Run exactly this…" not in page
    assert person.submit(f"/console/jobs/{preview}/run").status_code == 410


@pytest.mark.default_configuration
def test_a_tag_is_created_and_renamed(person: Person, tenant: str) -> None:
    store = person.gateway.store
    store.tag(tenant, "taken", tables=new_ids(1))
    created = person.submit("/console/tags/new", name="fresh")
    assert created.headers["location"] == "/console/tags?name=fresh"
    page = person.get("/console/tags?name=fresh").text
    (rename,) = set(re.findall(r'hx-get="(/console/tags/[^"]+/rename)"', page))
    assert 'value="fresh"' in person.get(rename).text
    for name, words in (("taken", "already exists"), ("", "name"), ("x" * 300, "name")):
        for path in (rename, "/console/tags/new"):
            answer = person.submit(path, name=name)
            assert answer.status_code == 400
            assert words in answer.text
    assert person.submit(rename, name="stale").status_code == 303
    assert set(store.tags(tenant)) == {"stale", "taken"}
    with signed_in(person.gateway, new_tenant()) as stranger:
        assert stranger.get(rename).status_code == 404
        assert stranger.submit(rename, name="theirs").status_code == 404
    with signed_in(person.gateway, tenant, scopes=("read",)) as reader:
        assert "rename…" not in reader.get("/console/tags").text
        assert reader.submit(rename, name="theirs").status_code == 403


@pytest.mark.default_configuration
@pytest.mark.parametrize("links", [0, 3])
def test_a_tag_is_deleted_as_previewed(person: Person, tenant: str, links: int) -> None:
    store = person.gateway.store
    store.tag(tenant, "stale", tables=new_ids(links))
    listed = html.unescape(person.get("/console/tags").text)
    (path,) = re.findall(r'href="(/console/new\?kind=detach[^"]+)"', listed)
    form = person.get(path).text
    assert re.search(r'value="detach" checked', form)
    assert re.search(r'name="drop" value="1" checked', form)
    every = dict.fromkeys(re.findall(r'name="(which-\w+)" value="all" checked', form), "all")
    page = _preview(person, kind="detach", names="stale", drop="1", **every)
    assert ", delete the tags" in page.text
    _job(person, tenant, _run(person, page))
    assert store.tags(tenant) == {}


def test_conditions_are_part_of_a_detach(person: Person, tenant: str) -> None:
    ids, store = new_ids(3), person.gateway.store
    store.tag(tenant, "legacy", tables=ids)
    store.tag(tenant, "keep", tables=ids[:1])
    page = _preview(person, **FORM, unless="keep")
    assert "2 of " in page.text
    early = _preview(person, **FORM, attached_before="2001-01-01T00:00")
    assert "0 of " in early.text
    assert "Run:" not in early.text


def test_conditions_are_part_of_a_merge(person: Person, tenant: str) -> None:
    ids, store = new_ids(3), person.gateway.store
    store.tag(tenant, "legacy", tables=ids)
    store.tag(tenant, "keep", tables=ids[:1])
    merge = {**FORM, "kind": "merge", "into": "new"}
    for wrong, words in (
        ({"unless": "kept"}, 'There is no tag "kept". Did you mean "keep"?'),
        ({"attached_after": "2026-01-31T12:00:00+02:00"}, "Must be a time with a zone"),
        (
            {"attached_after": "2026-01-31T12:00", "attached_before": "2026-01-31T12:00"},
            "Must be later than attached_after",
        ),
    ):
        refused = _preview(person, **merge, **wrong)
        assert refused.status_code in (400, 422)
        assert words in html.unescape(refused.text).replace('\\"', '"')
    times = {"attached_after": "2001-01-01T00:00", "attached_before": "2999-01-01T00:00:00"}
    page = _preview(person, **merge, **times, unless="keep")
    assert "--attached-after" in page.text
    done = _job(person, tenant, _run(person, page))
    assert done["counts"]["moved"] == 2
    assert {one for name, _, one in store.links(tenant) if name == "new"} == set(ids[1:])


def test_a_file_of_100000_ids_is_taken(redis_gateway: Gateway, tenant: str) -> None:
    ids = new_ids(100_000, 1)
    redis_gateway.store.tag(tenant, "legacy", tables=ids[:500])
    with signed_in(redis_gateway, tenant) as person:
        fields = {"kind": "detach", "names": "legacy", "ids-tables": "\r\n".join(ids)}
        page = _preview(person, **fields)
        assert "500 of 100,000 items would be removed" in page.text
        assert "--tables @tables.txt" in page.text
        done = _job(person, tenant, _run(person, page))
    assert done["counts"]["removed"] == 500


@pytest.mark.parametrize(
    "fields, words",
    [
        ({"kind": "sweep"}, "kind must be one of"),
        ({"kind": "detach", "names": "x", "ids-tables": "nonsense"}, "Must be a valid UUID."),
        ({"kind": "attach", "names": "x"}, "Give at least one id"),
        # hidden in the form of an attach, though it was ticked in that of another kind
        ({**FORM, "kind": "attach", "which-every": "all"}, "Give at least one id"),
        ({**FORM, "ids-tables": new_ids(1)[0]}, "tables: choose all of them, or give ids"),
        (
            {"kind": "delete", "tags": "x", "which-workspaces": "all", "ids-workspaces": "w-1"},
            "workspaces: choose all of them, or give ids",
        ),
        ({**FORM, "which-every": "all"}, "Choose all resources of every type, or some"),
        (
            {"kind": "merge", "names": "x", "into": "y", "which-every": "all", "ids-folders": "1"},
            "Choose all resources of every type, or some",
        ),
        ({"kind": "delete", "ids-workspaces": "w-1"}, "Give at least one tag"),
        ({"kind": "merge", "names": "x", "into": "x"}, INTO_ITSELF),
        ({"kind": "merge", "names": "x"}, "into: "),
        ({"kind": "merge", "into": "x"}, "Give at least one tag to merge"),
        ({**FORM, "max_affected": "many"}, "max_affected must be a whole number."),
        ({**FORM, "attached_before": "soon"}, "attached_before"),
        ({**FORM, "names": "x" * 5_000}, "names"),
    ],
)
def test_what_is_wrong_with_a_form_is_told_and_nothing_done(
    person: Person, tenant: str, fields: dict[str, str], words: str
) -> None:
    answer = _preview(person, **fields)
    assert answer.status_code == (422 if words == INTO_ITSELF else 400)
    assert words in html.unescape(answer.text)
    with person.gateway.client(tenant) as client:
        assert client.get("/api/v1/jobs/").json()["count"] == 0


def test_a_preview_is_run_from_its_own_page_too(person: Person, tenant: str) -> None:
    store = person.gateway.store
    store.tag(tenant, "legacy", tables=new_ids(2))
    preview = _preview_id(_preview(person, **FORM))
    assert f'href="/console/jobs/{preview}/run"' in person.get(f"/console/jobs/{preview}").text
    assert "2 changes" in person.get(f"/console/jobs/{preview}/run").text
    done = _job(person, tenant, person.submit(f"/console/jobs/{preview}/run"))
    assert f"preview {preview}" in person.get(f"/console/jobs/{done['id']}").text
    assert person.get(f"/console/jobs/{done['id']}/run").status_code == 409
    assert person.submit(f"/console/jobs/{done['id']}/run").status_code == 409
    assert store.links(tenant) == set()


def test_the_preview_of_another_tenant_is_not_there(person: Person) -> None:
    theirs = new_tenant()
    person.gateway.store.tag(theirs, "legacy", tables=new_ids(2))
    with signed_in(person.gateway, theirs) as other:
        preview = _preview_id(_preview(other, **FORM))
    assert person.submit(f"/console/jobs/{preview}/run").status_code == 404
    assert len(person.gateway.store.links(theirs)) == 2


def test_somebody_else_runs_what_was_previewed_if_that_is_the_rule(
    redis_stack: ServerStack, tenant: str
) -> None:
    with serving(redis_stack, approval="other", approval_items=1) as gateway:
        gateway.store.tag(tenant, "legacy", tables=new_ids(5))
        with signed_in(gateway, tenant) as one, signed_in(gateway, tenant) as other:
            page = _preview(one, **FORM)
            own = one.get(f"/console/jobs/{_preview_id(page)}").text
            assert "A credential other than that which asked for this preview" in own
            answer = _run(one, page)
            assert answer.status_code in (403, 409)
            assert "A credential other than that" in answer.text
            assert _run(other, page).status_code == 303
            with signed_in(gateway, tenant, scopes=("read", "write")) as writer:
                assert _run(writer, page).status_code == 403  # of another: that takes approve


def test_the_number_is_typed_before_much_is_run(redis_gateway: Gateway, tenant: str) -> None:
    redis_gateway.store.tag(tenant, "legacy", tables=new_ids(questions.LARGE, 2))
    with signed_in(redis_gateway, tenant) as person:
        page = _preview(person, **FORM)
        assert f"Type {questions.LARGE} to confirm" in page.text
        for typed in ("", "1"):
            assert _run(person, page, typed).status_code == 400
        done = _job(person, tenant, _run(person, page, "10,000"))
    assert done["counts"]["removed"] == questions.LARGE


def test_a_key_for_previews_previews_and_cannot_run(redis_gateway: Gateway, tenant: str) -> None:
    redis_gateway.store.tag(tenant, "legacy", tables=new_ids(2))
    with signed_in(redis_gateway, tenant, scopes=("read", "preview")) as person:
        page = _preview(person, **FORM)
        assert "2 of 2 items would be removed" in page.text
        assert "Run:" not in page.text
        with person.gateway.client(tenant) as client:
            (made,) = client.get("/api/v1/jobs/").json()["results"]
        assert person.submit(f"/console/jobs/{made['id']}/run").status_code == 403
    for grant in ({"scopes": ("read",)}, {"tenant": "", "admin": True}):
        own: dict[str, Any] = {"tenant": tenant, **grant}
        with signed_in(redis_gateway, own.pop("tenant"), **own) as other:
            assert other.get("/console/new").status_code == 403
            assert _preview(other, **FORM).status_code == 403
            assert "/console/new" not in other.get("/console/jobs").text


def test_system_keys_need_the_operator_right(redis_gateway: Gateway, tenant: str) -> None:
    redis_gateway.store.workspace(tenant, "w-1", {}, {"owner": "x"})
    fields = {"kind": "delete", "sys_tags": "owner", "ids-workspaces": "w-1"}
    with signed_in(redis_gateway, tenant) as person:
        assert 'name="sys_tags"' not in person.get("/console/new").text
        assert _preview(person, **fields).status_code == 403
    with signed_in(redis_gateway, tenant, operator=True) as person:
        assert 'name="sys_tags"' in person.get("/console/new").text
        assert "1 of 1 items would be removed" in _preview(person, **fields).text


def test_tags_are_listed_and_found_with_their_links(person: Person, tenant: str) -> None:
    store = person.gateway.store
    for name, links in (("alpha", 2), ("alpine", 0), ("al%", 1), ("beta", 1)):
        store.tag(tenant, name, tables=new_ids(links))
    store.tag(new_tenant(), "alpha-of-others", tables=new_ids(1))
    page = person.get("/console/tags").text
    rows = re.findall(r'<th scope="row">([^<]+)</th>\s*<td class="num">(\d+)</td>', page)
    assert sorted(rows) == [("al%", "1"), ("alpha", "2"), ("alpine", "0"), ("beta", "1")]
    found = person.get("/console/tags/search?search=al%25").text
    assert re.findall(r'data-add="([^"]+)"', found) == ["al%"]
    found = person.get("/console/tags/search?search=alp").text
    assert re.findall(r'data-add="([^"]+)"', found) == ["alpha", "alpine"]
    assert "No tag begins with" in person.get("/console/tags/search?search=zz").text
    found = person.get("/console/tags/search?into=alph").text  # of a merge, one takes the place
    assert re.findall(r'data-put="([^"]+)" data-to="([^"]+)"', found) == [("alpha", "into")]
    assert "the merge creates it" in person.get("/console/tags/search?into=zz").text


def test_links_of_a_tag_are_counted_up_to_a_limit(
    redis_gateway: Gateway, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    redis_gateway.store.tag(tenant, "large", tables=new_ids(30))
    monkeypatch.setattr(tag_names, "COUNTED", 20)
    with redis_gateway.store.transaction() as connection:
        (only,) = tag_names.page(connection, tenant, "", "", 5)
    assert only.links == 21


def test_tags_come_page_by_page(redis_gateway: Gateway, tenant: str) -> None:
    with redis_gateway.client(tenant) as client:
        names = [f"t-{number:03}" for number in range(230)]
        body = {"names": names, "tables": new_ids(1)}
        assert client.post("/api/v1/tags/attach/", json=body).status_code == 200
    with signed_in(redis_gateway, tenant) as person:
        seen, path = [], "/console/tags?name=t-"
        while path:
            text = person.get(path).text
            seen += re.findall(r'<th scope="row">([^<]+)</th>', text)
            found = re.search(r'rel="next" href="([^"]+)"', text)
            path = html.unescape(found[1]) if found else ""
    assert seen == names
