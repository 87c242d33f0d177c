"""What holds for every route of the console, whichever are added: who is let in, and from where."""

from __future__ import annotations

import re
from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest

from tagsweep.producer.gateway.console import pages
from tests.support.console import Person, signed_in
from tests.support.gateway import Gateway, ended, serving
from tests.support.stack import ServerStack
from tests.support.stores import new_ids, new_tenant

#: before anybody has signed in
OPEN = {"/console/sign-in", "/console/link", "/console/static/{name}"}
#: paths that lead nowhere by themselves
ASIDE = {"/console/{path:path}", "/console"}
#: what a person may always do
ALWAYS = {"/console/sign-out"}
ACTION = {
    "/console/all/{action}": "cancel",
    "/console/jobs/{job_id}/{action}": "cancel",
    "/console/webhooks/{webhook_id}/{action}": "delete",
}


def _routes(method: str) -> list[str]:
    """Return the paths of the routes of a method, without those that are open to everybody."""
    found = [route.path for route in pages.ROUTES if method in route.methods]
    assert found, method
    return sorted({*found} - OPEN - ASIDE)


def _filled(path: str, job_id: str) -> str:
    """Return a path of the route, about that job."""
    values = {"job_id": job_id, "action": ACTION.get(path, ""), "form": "csv"}
    return re.sub(r"\{(\w+)\}", lambda name: values.get(name[1]) or str(uuid4()), path)


@pytest.fixture
def job_id(redis_gateway: Gateway, tenant: str) -> str:
    """A job of the tenant, which can be undone."""
    ids = new_ids(2)
    redis_gateway.store.tag(tenant, "legacy", tables=ids)
    with redis_gateway.client(tenant) as client:
        body = {"kind": "detach", "names": ["legacy"], "tables": ids}
        return str(ended(client, client.post("/api/v1/jobs/", json=body).headers["location"])["id"])


@pytest.fixture
def person(redis_gateway: Gateway, tenant: str) -> Iterator[Person]:
    """Somebody with a key of the tenant."""
    with signed_in(redis_gateway, tenant) as one:
        yield one


@pytest.mark.parametrize("path", _routes("GET"))
def test_whoever_is_not_signed_in_sees_nothing(redis_gateway: Gateway, path: str) -> None:
    for cookie in ({}, {f"tagsweep-{redis_gateway.port}": "guessed"}):
        url = f"{redis_gateway.url}{_filled(path, str(uuid4()))}"
        answer = httpx.get(url, cookies=cookie)
        assert answer.status_code == 303, answer.text
        assert answer.headers["location"].startswith("/console/sign-in")
        assert not answer.content


@pytest.mark.parametrize("path", _routes("POST"))
def test_a_form_needs_a_session_its_token_and_our_origin(
    person: Person, job_id: str, path: str
) -> None:
    gateway, url = person.gateway, _filled(path, job_id)
    csrf = person.csrf("/console/jobs")
    with Person(gateway) as nobody:
        assert nobody.post(url, data={"csrf": csrf}).headers["location"] == "/console/sign-in"
    for data in ({}, {"csrf": "0" * 64}):
        assert person.post(url, data=data).status_code == 403
    for origin in ("https://evil.example", "null", f"http://localhost.evil:{gateway.port}"):
        answer = person.post(url, data={"csrf": csrf}, headers={"origin": origin})
        assert answer.status_code == 403, origin
        assert "another site" in answer.text
    assert person.get("/console/jobs").text.count("/console/jobs/") == 1
    assert person.get(f"/console/jobs/{job_id}").status_code == 200


@pytest.mark.parametrize("method, path", [(m, r.path) for r in pages.ROUTES for m in r.methods])
def test_every_route_keeps_out_frames_and_foreign_scripts_and_foreign_host_names(
    person: Person, job_id: str, method: str, path: str
) -> None:
    """Whatever it answers, also to a part of a page, and to a form that it refuses."""
    url = _filled(path, job_id)
    for headers in ({}, {"hx-request": "true"}, {"host": "evil.example"}, {"host": "10.1.2.3"}):
        with person.stream(method, url, headers=headers) as answer:  # one of them has no end
            assert (answer.status_code == 421) == ("host" in headers), headers
            policy = answer.headers["content-security-policy"]
        assert "default-src 'none'; script-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-content-type-options"] == "nosniff"
        is_static = path == "/console/static/{name}" and answer.is_success
        assert is_static or answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", [path for path in _routes("GET") if "{job_id}" in path])
def test_the_job_of_another_tenant_is_nowhere(
    redis_gateway: Gateway, job_id: str, path: str
) -> None:
    url = _filled(path, job_id)
    with signed_in(redis_gateway, new_tenant()) as stranger:
        answers = [stranger.get(url), stranger.get(url, headers={"hx-request": "true"})]
        if path in _routes("POST"):
            answers.append(stranger.submit(url, typed="2", token="t"))
    for answer in answers:
        assert answer.status_code == 404
        assert "legacy" not in answer.text


@pytest.mark.slow
def test_a_read_only_console_has_no_form_and_takes_none(
    redis_stack: ServerStack, redis_gateway: Gateway, tenant: str, job_id: str
) -> None:
    assert redis_gateway.store.job(job_id)
    with (
        serving(redis_stack, console="read-only") as gateway,
        signed_in(gateway, tenant) as person,
        signed_in(gateway, "", admin=True) as admin,
    ):
        for path in set(_routes("POST")) - ALWAYS:
            for one in (person, admin):
                url = _filled(path, job_id)
                assert one.submit(url, typed="1", token="t").status_code == 403, path
                assert one.get(url).status_code == 403, path
        for path in ("/", "/jobs", f"/jobs/{job_id}", "/tags", "/webhooks"):
            page = person.get(f"/console{path}")
            assert page.status_code == 200, path
            assert _forms(page.text) == ["/console/sign-out"], path
            assert "…</a>" not in page.text  # what asks before it does something
            assert 'href="/console/new"' not in page.text
        keys = admin.get("/console/keys").text
        assert _forms(keys) == ["/console/sign-out"]
        assert "/revoke" not in keys
        assert person.submit("/console/sign-out").status_code == 303


def _forms(page: str) -> list[str]:
    """Return where the forms lead that change something."""
    return re.findall(r'<form[^>]* method="post"[^>]* action="([^"]+)"', page)
