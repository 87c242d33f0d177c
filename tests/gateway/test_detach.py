"""The contract *Detach Tags*, alike on every gateway: what clients send, and what they parse."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import httpx
import pytest
import requests

from tagsweep.worker.models.ids import RESOURCE_TYPES
from tests.support.gateway import Gateway
from tests.support.stores import new_ids

PATHS = ("/api/v1/tags/detach/", "/api/v1/tags/detach")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}[+-]\d\d:\d\d")


@pytest.mark.parametrize("path", PATHS)
def test_links_go_and_the_matched_tags_are_answered(
    gateway: Gateway, tenant: str, path: str
) -> None:
    ids = new_ids(3)
    gateway.store.tag(tenant, "legacy", sources=ids, tables=ids)
    gateway.store.tag(tenant, "other", sources=ids)
    before = gateway.store.tags(tenant)
    body = {"names": ["other", " legacy ", "unknown", "legacy"], "tables": [ids[0].upper()]}
    with gateway.client(tenant) as client:
        answer = client.post(path, json=body)
    assert answer.status_code == 200
    other, legacy = answer.json()
    assert set(legacy) == {"id", "name", "created_at", "updated_at"}
    assert (other["name"], legacy["name"]) == ("other", "legacy")
    assert legacy["id"] == str(before["legacy"].id)
    assert MOMENT.fullmatch(legacy["updated_at"])
    assert other["updated_at"] == other["created_at"]
    assert legacy["updated_at"] > legacy["created_at"]
    assert ("legacy", "tables", ids[0]) not in gateway.store.links(tenant)
    assert len(gateway.store.links(tenant)) == 8


@pytest.mark.parametrize(
    "body",
    [{"names": []}, {"names": ["unknown"]}, {"names": ["unknown"], "sources": new_ids(2)}],
    ids=["no names", "unknown name", "unknown name on resources"],
)
def test_where_nothing_matches_the_answer_is_an_empty_list(
    gateway: Gateway, tenant: str, body: Any
) -> None:
    with gateway.client(tenant) as client:
        answer = client.post(PATHS[0], json=body)
    assert (answer.status_code, answer.json()) == (200, [])


def test_every_curl_of_the_page_does_what_it_says(up_gateway: Gateway, tenant: str) -> None:
    ids = new_ids(5)
    key = up_gateway.credential(tenant).key
    up_gateway.store.tag(tenant, "marketing", sources=ids)
    up_gateway.store.tag(tenant, "weekly-refresh", transformations=ids)
    up_gateway.store.tag(tenant, "owned-by-revops", transformations=ids[:1])
    lists = {"sources": ids[:2], "transformations": ids[2:4], "destinations": ids[4:]}
    up_gateway.store.tag(tenant, "production", **lists)
    bodies: list[dict[str, Any]] = [
        {"names": ["marketing"], "sources": ids[:1]},
        {"names": ["weekly-refresh", "owned-by-revops"], "transformations": ids[:1]},
        {"names": ["production"], **lists},
    ]
    for body in bodies:
        assert [tag["name"] for tag in _curl(up_gateway, key, body)] == body["names"]
    left = up_gateway.store.links(tenant)
    assert {name for name, *_ in left} == {"marketing", "weekly-refresh"}
    assert len(left) == 8


def test_the_playground_body_of_the_page_is_told_what_is_wrong(
    up_gateway: Gateway, tenant: str
) -> None:
    key = up_gateway.credential(tenant).key
    assert _curl(up_gateway, key, {"name": "<string>"}) == {
        "names": ["This field is required."],
        "name": ["Unknown field. Did you mean names?"],
    }


def _curl(gateway: Gateway, key: str, body: Any) -> Any:
    command = ["curl", "--silent", "--request", "POST", "--url", gateway.url + PATHS[0]]
    command += ["--header", f"x-api-key: {key}", "--header", "Content-Type: application/json"]
    command += ["--data", httpx.Request("POST", "http://-", json=body).content.decode()]
    done = subprocess.run(command, capture_output=True, check=True)
    return httpx.Response(200, content=done.stdout).json()


@pytest.mark.parametrize("resource_type", RESOURCE_TYPES)
def test_a_tag_is_removed_from_every_resource_that_carries_it(
    up_gateway: Gateway, tenant: str, resource_type: str
) -> None:
    ids = new_ids(4)
    up_gateway.store.tag(tenant, "legacy", **{resource_type: ids[:3]})
    up_gateway.store.tag(tenant, "kept", **{resource_type: ids[2:]})
    headers = {"x-api-key": up_gateway.credential(tenant).key}
    api = f"{up_gateway.url}/api/v1"
    for found in (sorted(ids[:3]), []):
        listed = requests.get(
            f"{api}/{resource_type}/", headers=headers, params={"expand[]": "tags"}, timeout=30
        ).json()
        assert [one["id"] for one in listed["results"]] == sorted(ids if found else ids[2:])
        with_legacy = [
            one["id"]
            for one in listed["results"]
            if any(tag["name"] == "legacy" for tag in one["tags"])
        ]
        assert with_legacy == found
        answer = requests.post(
            f"{api}/tags/detach/",
            headers=headers,
            json={"names": ["legacy"], resource_type: with_legacy},
            timeout=30,
        )
        assert [tag["name"] for tag in answer.json()] == ["legacy"]


@pytest.mark.parametrize(
    "body,told",
    [
        ({}, {"names": ["This field is required."]}),
        ({"names": None}, {"names": ["This field may not be null."]}),
        ({"names": "legacy"}, {"names": ['Expected a list of items but got type "str".']}),
        ({"names": ["a", " "]}, {"names": {"1": ["This field may not be blank."]}}),
        ({"names": [1]}, {"names": {"0": ["Not a valid string."]}}),
        (
            {"names": ["a", "b" * 256], "sources": ["x"], "tables": 7, "source": []},
            {
                "names": {"1": ["Ensure this field has no more than 255 characters."]},
                "sources": {"0": ["Must be a valid UUID."]},
                "tables": ['Expected a list of items but got type "int".'],
                "source": ["Unknown field. Did you mean sources?"],
            },
        ),
        ({"names": [], "tenant": "t", "dry_run": True}, dict.fromkeys(("tenant", "dry_run"))),
        ([], {"non_field_errors": ['Expected a JSON object but got type "list".']}),
    ],
)
def test_all_faulty_fields_are_told_at_once(
    up_gateway: Gateway, tenant: str, body: Any, told: dict[str, Any]
) -> None:
    with up_gateway.client(tenant) as client:
        answer = client.post(PATHS[0], json=body)
        assert answer.status_code == 400
        assert answer.headers["content-type"] == "application/json"
        unknown = ["Unknown field."]
        assert answer.json() == {name: words or unknown for name, words in told.items()}
        assert client.get("/api/v1/jobs/").json()["count"] == 0


@pytest.mark.parametrize("key", [None, "", "ts_000000000000_wrong", "x", "\xe9"])
@pytest.mark.parametrize("path", PATHS)
def test_without_a_key_nobody_is_served(up_gateway: Gateway, path: str, key: str | None) -> None:
    headers = {} if key is None else {"x-api-key": key.encode("latin-1")}
    answer = httpx.post(up_gateway.url + path, json={"names": []}, headers=headers)  # type: ignore[arg-type]  # bytes will do
    assert answer.status_code == 401
    assert "www-authenticate" in answer.headers
    assert set(answer.json()) == {"detail"}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "TRACE", "BREW"])
def test_other_methods_are_told_which_there_are(
    up_gateway: Gateway, path: str, method: str
) -> None:
    answer = httpx.request(method, up_gateway.url + path)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST, OPTIONS")
    assert answer.json() == {"detail": f'Method "{method}" not allowed.'}


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        {"Content-Type": ""},
    ],
)
def test_another_media_type_is_refused(
    up_gateway: Gateway, tenant: str, headers: dict[str, str]
) -> None:
    with up_gateway.client(tenant) as client:
        answer = client.post(PATHS[0], content=b'{"names": []}', headers=headers)
    assert answer.status_code == 415
    assert set(answer.json()) == {"detail"}
