"""A new clean-up in the console: previewed, confirmed, run once, as it was previewed."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tagsweep.producer.gateway.console.presentation import questions
from tagsweep.worker.store.inventory import tag_names
from tests.support.console import Person, signed_in
from tests.support.gateway import Gateway, ended, serving
from tests.support.stack import ServerStack
from tests.support.stores import new_ids, new_tenant

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
    done = _job(person, tenant, _run(person, page))
    assert done["status"] == "succeeded"


def test_conditions_are_part_of_a_detach(person: Person, tenant: str) -> None:
    ids, store = new_ids(3), person.gateway.store
    store.tag(tenant, "legacy", tables=ids)
    store.tag(tenant, "keep", tables=ids[:1])
    page = _preview(person, **FORM, unless="keep")
    assert "2 of " in page.text
    early = _preview(person, **FORM, attached_before="2001-01-01T00:00")
    assert "0 of " in early.text
    assert "Run:" not in early.text


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
        ({"kind": "delete", "ids-workspaces": "w-1"}, "Give at least one tag"),
        ({**FORM, "max_affected": "many"}, "max_affected must be a whole number."),
        ({**FORM, "attached_before": "soon"}, "attached_before"),
        ({**FORM, "names": "x" * 5_000}, "names"),
    ],
)
def test_what_is_wrong_with_a_form_is_told_and_nothing_done(
    person: Person, tenant: str, fields: dict[str, str], words: str
) -> None:
    answer = _preview(person, **fields)
    assert answer.status_code == 400
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
