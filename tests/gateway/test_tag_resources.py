"""Tags as resources: what the routes under /api/v1/tags/ answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.support.gateway import Gateway, ended
from tests.support.stack import ServerStack
from tests.support.stores import new_ids, new_tenant

TAGS = "/api/v1/tags/"
pytestmark = [pytest.mark.slow, pytest.mark.integration]


@pytest.fixture
def client(redis_gateway: Gateway, tenant: str) -> Iterator[httpx.Client]:
    """A client of the tenant."""
    with redis_gateway.client(tenant) as made:
        yield made


def _named(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [one["name"] for one in answer.json()["results"]]


def test_a_tag_is_created_shown_renamed_and_listed(client: httpx.Client, tenant: str) -> None:
    made = client.post(TAGS, json={"name": " old "})
    assert made.status_code == 201
    assert set(made.json()) == {"id", "name", "created_at", "updated_at"}
    path = f"{TAGS}{made.json()['id']}/"
    assert (made.json()["name"], made.headers["Location"]) == ("old", path)
    assert client.get(path).json() == made.json()
    renamed = client.patch(path, json={"name": "new"})
    assert (renamed.status_code, renamed.json()["name"]) == (200, "new")
    listed = client.get(TAGS, params={"tenant": tenant}).json()
    assert listed == {"count": 1, "next": None, "previous": None, "results": [renamed.json()]}


def test_search_names_and_links_narrow_and_widen_a_list(
    client: httpx.Client, redis_gateway: Gateway, tenant: str
) -> None:
    for name, count in (("pii", 2), ("PII old", 0), ("legacy", 1)):
        redis_gateway.store.tag(tenant, name, tables=new_ids(count))
    assert set(_named(client.get(TAGS, params={"search": "pii"}))) == {"pii", "PII old"}
    assert _named(client.get(f"{TAGS}?name=legacy&name=pii&name=none")) == ["legacy", "pii"]
    expanded = client.get(TAGS, params={"expand[]": "links"}).json()["results"]
    assert {one["name"]: one["links"] for one in expanded} == {"pii": 2, "PII old": 0, "legacy": 1}
    one = client.get(f"{TAGS}{expanded[0]['id']}/", params={"expand": "links"}).json()
    assert one == expanded[0]


@pytest.mark.parametrize("by", ["cursor", "page"])
def test_pages_lead_through_all_tags_and_back(
    client: httpx.Client, redis_gateway: Gateway, tenant: str, by: str
) -> None:
    names = [f"tag ä {number}" for number in range(5)]
    for name in names:
        redis_gateway.store.tag(tenant, name)
    answer = client.get(TAGS, params={"page_size": 2} | ({"page": 1} if by == "page" else {}))
    seen, pages = _named(answer), [answer.json()]
    while pages[-1]["next"]:
        assert by in httpx.URL(pages[-1]["next"]).params
        answer = client.get(pages[-1]["next"])
        seen += _named(answer)
        pages.append(answer.json())
    assert (seen, [page["count"] for page in pages]) == (names, [5, 5, 5])
    assert _named(client.get(pages[-1]["previous"])) == names[2:4]


@pytest.mark.parametrize(
    "body, fields",
    [
        ({}, {"name": ["This field is required."]}),
        ({"name": None}, {"name": ["This field may not be null."]}),
        ({"name": "  "}, {"name": ["This field may not be blank."]}),
        ({"name": 1}, {"name": ["Not a valid string."]}),
        ({"name": "n" * 256}, {"name": ["Ensure this field has no more than 255 characters."]}),
        ({"name": "n\0"}, {"name": ["Null characters are not allowed."]}),
        ({"name": "n", "nmae": 1}, {"nmae": ["Unknown field. Did you mean name?"]}),
    ],
)
def test_a_name_that_cannot_be_is_400_by_field_and_changes_nothing(
    client: httpx.Client, body: dict[str, Any], fields: dict[str, Any]
) -> None:
    for name in ("taken", "other"):
        assert client.post(TAGS, json={"name": name}).status_code == 201
    before = client.get(TAGS).json()
    other = next(one for one in before["results"] if one["name"] == "other")
    for answer in (client.post(TAGS, json=body), client.patch(f"{TAGS}{other['id']}/", json=body)):
        assert (answer.status_code, answer.json()) == (400, fields)
    assert client.get(TAGS).json() == before


def test_a_name_that_is_taken_is_400_and_a_rename_points_to_merge(client: httpx.Client) -> None:
    made = [client.post(TAGS, json={"name": name}).json() for name in ("taken", "other")]
    created = client.post(TAGS, json={"name": "taken"})
    assert created.json() == {"name": ["tag with this name already exists."]}
    renamed = client.patch(f"{TAGS}{made[1]['id']}/", json={"name": "taken"})
    assert (created.status_code, renamed.status_code) == (400, 400)
    assert "merge" in renamed.json()["name"][0]
    assert [one["name"] for one in client.get(TAGS).json()["results"]] == ["other", "taken"]


@pytest.mark.parametrize("content", ["[]", "{", "nonsense", '{"name": "a", "name": "b"}'])
def test_a_body_that_is_no_object_is_400(client: httpx.Client, content: str) -> None:
    headers = {"Content-Type": "application/json"}
    assert client.post(TAGS, content=content, headers=headers).status_code == 400
    assert client.post(TAGS, content="name=a").status_code == 415
    assert client.get(TAGS).json()["count"] == 0


@pytest.mark.parametrize(
    "query, status",
    [
        ("search=%00", 400),
        ("name=%00", 400),
        ("search=a&search=b", 400),
        ("expand[]=tags", 400),
        ("serach=a", 400),
        ("page=7", 404),
        ("cursor=bm9uZQ", 404),
        ("tenant=another", 403),
    ],
)
def test_a_query_that_cannot_be_is_refused_in_the_shape_of_the_path(
    client: httpx.Client, query: str, status: int
) -> None:
    answer = client.get(f"{TAGS}?{query}")
    assert answer.status_code == status
    assert set(answer.json()) == {"detail"}


def test_other_tenants_tags_are_not_there(client: httpx.Client, redis_gateway: Gateway) -> None:
    theirs = redis_gateway.store.tag(new_tenant(), "theirs")
    for path in (f"{TAGS}{theirs}/", f"{TAGS}{uuid4()}/"):
        for answer in (
            client.get(path),
            client.patch(path, json={"name": "ours"}),
            client.delete(path),
        ):
            assert (answer.status_code, answer.json()) == (404, {"detail": "Not found."})
    assert client.get(f"{TAGS}no-id/").status_code == 404
    assert client.get(f"{TAGS}detach/").status_code == 405
    assert client.get(TAGS).json()["count"] == 0


def test_a_deleted_tag_is_gone_with_its_links_and_an_undo_brings_both_back(
    gateway: Gateway, tenant: str
) -> None:
    ids = new_ids(3)
    made = gateway.store.tag(tenant, "t", tables=ids, folders=ids)
    links = gateway.store.links(tenant)
    with gateway.client(tenant) as client:
        done = client.delete(f"{TAGS}{made}/")
        assert (done.status_code, done.content) == (204, b"")
        assert client.get(f"{TAGS}{made}/").status_code == 404
        assert client.delete(f"{TAGS}{made}/").status_code == 404
        assert gateway.store.links(tenant) == set()
        undone = client.post(f"{done.headers['Content-Location']}/undo")
        assert ended(client, undone.headers["Location"])["status"] == "succeeded"
        assert client.get(f"{TAGS}{made}/").json()["name"] == "t"
    assert gateway.store.links(tenant) == links


def test_a_tag_is_deleted_in_the_background_if_asked(client: httpx.Client) -> None:
    made = client.post(TAGS, json={"name": "t"}).json()
    headers = {"Prefer": "respond-async"}
    taken = client.delete(f"{TAGS}{made['id']}", headers=headers)
    assert (taken.status_code, taken.json()["request"]["drop"]) == (202, True)
    assert ended(client, taken.headers["Location"])["status"] == "succeeded"
    assert client.get(TAGS).json()["count"] == 0


def test_a_deletion_is_of_the_tag_that_was_named_whatever_its_name_is_by_then(
    idle_gateway: Gateway, idle_stack: ServerStack, tenant: str
) -> None:
    store, ids = idle_gateway.store, new_ids(3)
    made = store.tag(tenant, "t", tables=ids)
    with idle_gateway.client(tenant) as client:
        path = f"{TAGS}{made}/"
        taken = [client.delete(path, headers={"Prefer": "respond-async"}) for _ in range(2)]
        assert client.patch(path, json={"name": "renamed"}).status_code == 200
        another = store.tag(tenant, "t", tables=ids[:2])
        idle_stack.start_worker()
        done = [ended(client, each.headers["Location"]) for each in taken]
        by_removed = sorted(done, key=lambda job: int(job["counts"]["removed"]))
        assert [job["counts"]["removed"] for job in by_removed] == [0, 3]
        assert by_removed[1]["tags"][0]["name"] == "renamed"
        assert client.get(path).status_code == 404
        assert client.get(TAGS).json()["results"][0]["id"] == str(another)
    assert len(store.links(tenant)) == 2


def test_a_deletion_that_is_repeated_under_its_key_is_the_same_though_the_tag_is_gone(
    client: httpx.Client,
) -> None:
    one, other = (client.post(TAGS, json={"name": name}).json()["id"] for name in ("t", "u"))
    key = {"Idempotency-Key": "once"}
    first, again = (client.delete(f"{TAGS}{one}/", headers=key) for _ in range(2))
    assert (first.status_code, again.status_code) == (204, 204)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["Content-Location"] == first.headers["Content-Location"]
    assert client.delete(f"{TAGS}{other}/", headers=key).status_code == 422
    assert client.delete(f"{TAGS}{one}/").status_code == 404
    assert [tag["id"] for tag in client.get(TAGS).json()["results"]] == [other]


def test_reading_and_writing_tags_need_their_scopes(redis_gateway: Gateway, tenant: str) -> None:
    assert httpx.get(redis_gateway.url + TAGS).status_code == 401
    made = redis_gateway.store.tag(tenant, "t")
    with redis_gateway.client(tenant, scopes=("preview", "read", "undo")) as reader:
        assert _named(reader.get(TAGS)) == ["t"]
        assert reader.post(TAGS, json={"name": "u"}).status_code == 403
        assert reader.patch(f"{TAGS}{made}/", json={"name": "u"}).status_code == 403
        assert reader.delete(f"{TAGS}{made}/").status_code == 403
    with redis_gateway.client("", admin=True) as admin:
        assert admin.get(TAGS).status_code == 403
