"""The pages for people: what the gateway is, and the API with examples that work."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import chain
from typing import Any

import httpx
import jsonschema_rs
import pytest

from tagsweep.producer.gateway.openapi import examples
from tagsweep.producer.gateway.routes import documentation
from tests.support.browser import Browser
from tests.support.gateway import Gateway, ended

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
PAGES = ("/docs",)
#: an element with one of these makes the page load, or send, something
LOADING = ("src", "action", "srcset", "data")
#: what may stand in a policy: any host, or anything inline, would be another word
STRICT = {"'none'", "'self'", "data:"}


class _Elements(HTMLParser):
    """The elements of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def _page(gateway: Gateway, path: str) -> httpx.Response:
    return httpx.get(f"{gateway.url}{path}", headers={"Accept": BROWSER})


@pytest.mark.parametrize("accept", ["*/*", "", "application/json", "application/problem+json"])
def test_the_root_says_in_json_what_this_is(redis_gateway: Gateway, accept: str) -> None:
    answer = httpx.get(redis_gateway.url, headers={"Accept": accept})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    home = answer.json()
    assert home["name"] == "tagsweep"
    for link in (home["documentation"], home["openapi"], home["console"]):
        answer = httpx.get(f"{redis_gateway.url}{link}", follow_redirects=True)
        assert answer.status_code == 200


def test_the_root_leads_a_browser_to_the_console(redis_gateway: Gateway) -> None:
    answer = _page(redis_gateway, "/")
    assert answer.status_code == 303
    assert "Accept" in answer.headers["vary"]
    assert answer.headers["location"] == "console/"


@pytest.mark.parametrize("path", PAGES)
def test_all_that_a_page_names_is_on_this_host_and_there(redis_gateway: Gateway, path: str) -> None:
    text = _page(redis_gateway, path).text
    assert "//" not in text
    links = [
        link
        for _, attributes in _Elements(text).found
        for name in ("href", *LOADING)
        if (link := attributes.get(name)) and link != "data:,"
    ]
    assert links
    for link in links:
        assert httpx.get(httpx.URL(redis_gateway.url).join(link)).status_code == 200, link


@pytest.mark.parametrize("path", [*PAGES, *(f"/docs/{name}" for name in documentation.ASSETS)])
def test_the_policy_allows_nothing_inline_and_no_other_host(
    redis_gateway: Gateway, path: str
) -> None:
    answer = _page(redis_gateway, path)
    assert answer.headers["x-content-type-options"] == "nosniff"
    directives = [part.split() for part in answer.headers["content-security-policy"].split(";")]
    assert ["default-src", "'none'"] in directives
    assert ["frame-ancestors", "'none'"] in directives
    assert set(chain.from_iterable(words for _, *words in directives)) <= STRICT
    if answer.headers["content-type"].startswith("text/html"):
        for tag, attributes in _Elements(answer.text).found:
            assert tag != "style"
            assert tag != "script" or attributes.get("src")
            assert not [name for name in attributes if name == "style" or name.startswith("on")]


def test_the_script_of_the_page_asks_no_other_host(redis_gateway: Gateway) -> None:
    script = httpx.get(f"{redis_gateway.url}/docs/docs.js").text
    assert "//" not in re.sub(r" // .*", "", script)
    assert "validatorUrl: null" in script


@pytest.mark.parametrize("name", ["LICENSE", "index.html", "..%2findex.html", "docs.js.map"])
def test_nothing_but_what_the_page_loads_is_served_with_it(
    redis_gateway: Gateway, name: str
) -> None:
    assert httpx.get(f"{redis_gateway.url}/docs/{name}").status_code == 404


def test_a_slash_too_many_leads_to_the_page(redis_gateway: Gateway) -> None:
    answer = httpx.get(f"{redis_gateway.url}/docs/", follow_redirects=True)
    assert answer.url == f"{redis_gateway.url}/docs"
    assert answer.status_code == 200


@pytest.mark.slow
def test_a_browser_shows_every_operation_and_blocks_nothing(
    redis_gateway: Gateway, browser: Browser
) -> None:
    page = browser.open(f"{redis_gateway.url}/docs")
    assert page.complaints == []
    schema = httpx.get(f"{redis_gateway.url}/openapi.json").json()
    operations = [each for item in schema["paths"].values() for each in item.values()]
    for operation in operations:
        assert operation["summary"] in page.html
    assert page.html.count("opblock-summary-description") == len(operations)
    for heading in {tag for operation in operations for tag in operation["tags"]}:
        assert f'data-tag="{heading}"' in page.html


def _operations(gateway: Gateway) -> dict[str, tuple[str, str, dict[str, Any]]]:
    paths = httpx.get(f"{gateway.url}/openapi.json").json()["paths"]
    return {
        operation["operationId"]: (method, path, operation)
        for path, item in paths.items()
        for method, operation in item.items()
    }


def test_every_operation_that_takes_a_body_has_an_example_of_it(redis_gateway: Gateway) -> None:
    with_body = {
        name: operation["requestBody"]["content"]["application/json"]
        for name, (_, _, operation) in _operations(redis_gateway).items()
        if "requestBody" in operation
    }
    assert set(with_body) == set(examples.REQUESTS)
    for name, content in with_body.items():
        assert content["examples"] == {
            summary: {"value": value} for summary, value in examples.REQUESTS[name].items()
        }


@pytest.mark.parametrize("name", examples.REQUESTS)
def test_each_example_of_a_request_is_one_that_the_schema_allows(
    redis_gateway: Gateway, name: str
) -> None:
    schema = httpx.get(f"{redis_gateway.url}/openapi.json").json()
    _, _, operation = _operations(redis_gateway)[name]
    wanted = operation["requestBody"]["content"]["application/json"]["schema"]
    for value in examples.REQUESTS[name].values():
        jsonschema_rs.validate({**wanted, "components": schema["components"]}, value)


#: what the items of a job come to that changes all of them
CHANGED = ("removed", "added", "moved", "set")
#: the operations whose examples are done as they are, and are jobs
WITH_A_JOB = (
    "detachTags",
    "attachTags",
    "batchDeleteResourceTags",
    "batchCreateResourceTags",
    "makeJob",
)


@pytest.mark.parametrize(
    "name, summary",
    [(name, summary) for name in WITH_A_JOB for summary in examples.REQUESTS[name]],
)
def test_each_example_of_a_request_does_what_it_says(
    redis_gateway: Gateway, tenant: str, name: str, summary: str
) -> None:
    store = redis_gateway.store
    for tag in ("legacy", "pii"):
        store.tag(tenant, tag, sources=[examples.SOURCE], tables=[examples.TABLE])
        store.tag(tenant, tag, folders=[examples.TABLE])
    store.tag(tenant, "PII", volumes=[examples.TABLE])
    for workspace in (examples.WORKSPACE, "w-2"):
        store.workspace(tenant, workspace, {"env": "dev", "owner": "revops"}, {})
    method, path, _ = _operations(redis_gateway)[name]
    filled = path.replace("{project_id}", tenant).replace("{workspace_id}", examples.WORKSPACE)
    with redis_gateway.client(tenant) as client:
        answer = client.request(method, filled, json=examples.REQUESTS[name][summary])
        assert answer.status_code in (200, 202, 204), answer.text
        (job,) = client.get("/api/v1/jobs/").json()["results"]
        counts = ended(client, f"/api/v1/jobs/{job['id']}")["counts"]
    assert counts["total"] == sum(counts.get(one, 0) for one in CHANGED) > 0


@pytest.mark.parametrize("name, status, media_type", examples.ANSWERS)
def test_each_example_of_an_answer_is_one_that_the_schema_allows(
    redis_gateway: Gateway, name: str, status: int, media_type: str
) -> None:
    schema = httpx.get(f"{redis_gateway.url}/openapi.json").json()
    _, _, operation = _operations(redis_gateway)[name]
    content = operation["responses"][str(status)]["content"][media_type]
    assert content["example"] == examples.ANSWERS[name, status, media_type]
    wanted = {**content["schema"], "components": schema["components"]}
    jsonschema_rs.validate(wanted, content["example"])


def test_the_job_of_the_examples_has_no_member_that_real_ones_lack(
    redis_gateway: Gateway, tenant: str
) -> None:
    with redis_gateway.client(tenant) as client:
        made = client.post("/api/v1/jobs/", json={"kind": "detach", "names": ["legacy"]})
        real = ended(client, made.headers["location"])
    assert set(examples.ANSWERS["showJob", 200, "application/json"]) <= set(real)
