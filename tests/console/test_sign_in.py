"""Signing in to the console: sessions, one-time links, and forms that nobody else can send."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Table, func, select, update

from tagsweep.producer.gateway.auth import credentials, sessions
from tagsweep.producer.gateway.console.routes.assets import NAMES
from tagsweep.producer.gateway.requests.limits import MAX_FAILURES
from tagsweep.worker.models.tables import console_session, sign_in_link
from tests.support.console import Person, signed_in
from tests.support.gateway import Gateway, serving, up
from tests.support.stack import ServerStack, eventually

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
#: every page without an id in its path
PAGES = ("/", "/jobs")
PUBLIC = "https://tags.example.com"
#: what another page can make a browser send
FOREIGN: list[dict[str, str]] = [
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": "null", "sec-fetch-site": "cross-site"},
    {"origin": "http://127.0.0.1:1"},
    {"origin": "http://127.0.0.1.evil.example"},
    {"origin": ""},
]


@pytest.fixture
def person(redis_gateway: Gateway) -> Iterator[Person]:
    """Somebody who has not signed in."""
    with Person(redis_gateway) as one:
        yield one


@pytest.mark.parametrize("path", PAGES)
def test_whoever_is_not_signed_in_is_led_to_the_form_and_back(
    gateway: Gateway, tenant: str, path: str
) -> None:
    with Person(gateway) as person:
        answer = person.get(f"/console{path}")
        assert answer.status_code == 303
        assert answer.headers["location"] == f"/console/sign-in?next={path}"
        done = person.sign_in(gateway.credential(tenant).key, next=path)
        assert done.headers["location"] == f"/console{path}"
        assert person.get(f"/console{path}").status_code == 200


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example", "/\\evil.example", "/\r\nx: y", "jobs"]
)
def test_signing_in_leads_to_no_other_site(person: Person, tenant: str, target: str) -> None:
    done = person.sign_in(person.gateway.credential(tenant).key, next=target)
    assert done.headers["location"] == "/console/"


def test_the_cookie_is_for_this_port_and_for_no_script_and_no_other_site(
    person: Person, tenant: str
) -> None:
    done = person.sign_in(person.gateway.credential(tenant).key)
    name, _, rest = done.headers["set-cookie"].partition("=")
    assert name == f"tagsweep-{person.gateway.port}"
    assert re.fullmatch(r"[\w-]{43}; HttpOnly; Path=/console; SameSite=strict", rest)


def test_behind_tls_the_cookie_is_secure_and_of_this_host_alone(redis_stack: ServerStack) -> None:
    with serving(redis_stack, public_url=PUBLIC) as gateway:
        headers = {"host": "tags.example.com", "origin": PUBLIC}
        with Person(gateway, **headers) as person:
            shown = person.get("/console/sign-in").headers["set-cookie"]
            assert shown.startswith("__Host-tagsweep-443=")
            assert "Secure" in shown
            assert "Path=/;" in shown
            csrf = re.findall('csrf" value="([0-9a-f]+)"', person.get("/console/sign-in").text)
            assert csrf  # and the cookie that httpx keeps back, over plain HTTP, is not sent
        for host, origin in (("tags.example.com", "http://tags.example.com"), ("other", PUBLIC)):
            with Person(gateway, host=host, origin=origin) as stranger:
                assert stranger.post("/console/sign-in").status_code in (403, 421)


def test_what_the_browser_had_before_is_no_session(person: Person, tenant: str) -> None:
    person.get("/console/sign-in")
    before = person.cookie
    person.sign_in(person.gateway.credential(tenant).key)
    assert person.cookie != before
    with Person(person.gateway) as thief:
        thief.cookies.set(f"tagsweep-{person.gateway.port}", before)
        assert thief.get("/console/jobs").status_code == 303


def test_signing_in_anew_ends_the_session_before(person: Person, tenant: str) -> None:
    key = person.gateway.credential(tenant).key
    person.sign_in(key)
    before = person.cookie
    person.sign_in(key)
    with Person(person.gateway) as thief:
        thief.cookies.set(f"tagsweep-{person.gateway.port}", before)
        assert thief.get("/console/jobs").status_code == 303


def test_the_store_has_neither_the_tokens_of_sessions_nor_of_links(
    person: Person, tenant: str
) -> None:
    store = person.gateway.store
    person.sign_in(person.gateway.credential(tenant).key)
    link = _link(person.gateway, tenant)
    with store.transaction() as connection:
        kept = [
            bytes(value)
            for table in (console_session, sign_in_link)
            for value in connection.execute(select(table.c.token_hash)).scalars()
        ]
    assert kept
    assert {len(value) for value in kept} == {32}
    assert not [one for one in (person.cookie, link) if one.encode() in kept]


def test_a_session_ends_with_its_key(gateway: Gateway, tenant: str) -> None:
    created = gateway.credential(tenant)
    with Person(gateway) as person:
        person.sign_in(created.key)
        assert person.get("/console/jobs").status_code == 200
        with gateway.store.transaction() as connection:
            credentials.revoke(connection, created.id)
        eventually(lambda: person.get("/console/jobs").status_code == 303, seconds=3)


def test_a_session_ends_when_its_key_expires(redis_gateway: Gateway, tenant: str) -> None:
    end = datetime.now(UTC) + timedelta(seconds=3)
    with signed_in(redis_gateway, tenant, expires_at=end) as person:
        assert person.get("/console/jobs").status_code == 200
        eventually(lambda: person.get("/console/jobs").status_code == 303, seconds=6)


@pytest.mark.parametrize(
    "column, age, is_over",
    [
        ("seen_at", timedelta(minutes=59), False),
        ("seen_at", timedelta(minutes=61), True),
        ("created_at", timedelta(hours=11), False),
        ("created_at", timedelta(hours=13), True),
    ],
)
def test_a_session_ends_unused_and_in_any_case(
    redis_gateway: Gateway, tenant: str, column: str, age: timedelta, *, is_over: bool
) -> None:
    with signed_in(redis_gateway, tenant) as person:
        _age(redis_gateway, console_session, person.cookie, column, age)
        assert person.get("/console/jobs").status_code == (303 if is_over else 200)


def test_a_page_that_keeps_itself_up_to_date_is_no_use_of_the_session(
    redis_gateway: Gateway, tenant: str
) -> None:
    with signed_in(redis_gateway, tenant) as person:
        for headers, is_used in (({"x-live": "1", "hx-request": "true"}, False), ({}, True)):
            _age(redis_gateway, console_session, person.cookie, "seen_at", timedelta(minutes=30))
            person.get("/console/jobs", headers=headers)
            if is_used:
                eventually(lambda: _is_fresh(redis_gateway, person.cookie))
            else:
                assert not _is_fresh(redis_gateway, person.cookie)


def test_signing_out_ends_the_session(redis_gateway: Gateway, tenant: str) -> None:
    with signed_in(redis_gateway, tenant) as person:
        token = person.cookie
        assert person.submit("/console/sign-out").headers["location"] == "/console/sign-in"
        person.cookies.set(f"tagsweep-{redis_gateway.port}", token)
        assert person.get("/console/jobs").status_code == 303


def test_a_link_signs_in_once(person: Person, tenant: str) -> None:
    link = _link(person.gateway, tenant)
    done = person.submit("/console/link", person.csrf(), token=link)
    assert done.headers["location"] == "/console/"
    assert tenant in person.get("/console/").text
    with Person(person.gateway) as second:
        again = second.submit("/console/link", second.csrf(), token=link)
        assert again.status_code == 403
        assert "has been used" in again.text
        assert second.get("/console/").status_code == 303
    assert link not in person.gateway.log


def test_a_link_works_for_ten_minutes(person: Person, tenant: str) -> None:
    for minutes, status in ((9, 303), (11, 403)):
        link = _link(person.gateway, tenant)
        _age(person.gateway, sign_in_link, link, "created_at", timedelta(minutes=minutes))
        assert person.submit("/console/link", person.csrf(), token=link).status_code == status


def test_a_link_of_a_revoked_key_signs_nobody_in(person: Person, tenant: str) -> None:
    created = person.gateway.credential(tenant)
    with person.gateway.store.transaction() as connection:
        link = sessions.make_link(connection, created.id)
        credentials.revoke(connection, created.id)
    assert person.submit("/console/link", person.csrf(), token=link).status_code == 403


def test_up_prints_a_link_that_signs_in(tmp_path: Path) -> None:
    with up(tmp_path) as gateway:  # a link of its own, since it lives for ten minutes
        (line,) = re.findall(r"console: (\S+)", gateway.log)
        url, _, token = line.partition("#")
        assert url == f"{gateway.url}/console/sign-in"
        with Person(gateway) as person:
            assert person.submit("/console/link", person.csrf(), token=token).status_code == 303
            assert person.get("/console/jobs").status_code == 200


@pytest.mark.parametrize("key", ["", "nonsense", "ts_0123456789ab_guessed", "ключ", "x" * 9_000])
def test_a_wrong_key_signs_nobody_in_and_is_not_repeated(person: Person, key: str) -> None:
    answer = person.sign_in(key)
    assert answer.status_code == 403
    assert "This key is not valid." in answer.text
    assert not key or key not in answer.text
    assert person.get("/console/").status_code == 303


def test_an_expired_key_is_told_so(person: Person, tenant: str) -> None:
    past = datetime.now(UTC) - timedelta(seconds=1)
    answer = person.sign_in(person.gateway.credential(tenant, expires_at=past).key)
    assert answer.status_code == 403
    assert "expired" in answer.text


def test_an_address_that_guesses_has_to_wait_and_no_other_has_to(
    person: Person, tenant: str
) -> None:
    statuses = [person.sign_in(f"ts_0123456789ab_{n}").status_code for n in range(MAX_FAILURES)]
    assert statuses == [403] * MAX_FAILURES
    key = person.gateway.credential(tenant).key
    answer = person.sign_in(key)
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= 60
    link = person.submit("/console/link", person.csrf(), token=_link(person.gateway, tenant))
    assert link.status_code == 429
    with Person(person.gateway) as other:
        assert other.sign_in(key).status_code == 303


def test_whoever_signs_in_often_is_not_stopped(person: Person, tenant: str) -> None:
    key = person.gateway.credential(tenant).key
    assert {person.sign_in(key).status_code for _ in range(MAX_FAILURES + 2)} == {303}


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_a_form_that_another_site_sends_is_refused(
    redis_gateway: Gateway, tenant: str, headers: dict[str, str]
) -> None:
    key = redis_gateway.credential(tenant).key
    with signed_in(redis_gateway, tenant) as person:
        csrf = person.csrf("/console/jobs")
        for path in ("/console/sign-out", "/console/sign-in", "/console/link"):
            answer = person.post(path, data={"csrf": csrf, "key": key}, headers=headers)
            assert answer.status_code == 403, path
            assert "another site" in answer.text
        assert person.get("/console/jobs").status_code == 200


def test_a_plain_form_of_our_own_page_is_taken(redis_gateway: Gateway, tenant: str) -> None:
    with signed_in(redis_gateway, tenant) as person:
        own = {"origin": "null", "sec-fetch-site": "same-origin"}  # with no-referrer, no script
        data = {"csrf": person.csrf("/console/jobs")}
        assert person.post("/console/sign-out", data=data, headers=own).status_code == 303


@pytest.mark.parametrize("csrf", ["", "0" * 64, "ключ"])
def test_a_form_without_the_token_of_its_session_is_refused(
    redis_gateway: Gateway, tenant: str, csrf: str
) -> None:
    with signed_in(redis_gateway, tenant) as person, signed_in(redis_gateway, tenant) as other:
        for token in (csrf, other.csrf("/console/jobs")):
            assert person.submit("/console/sign-out", token).status_code == 403
        assert person.get("/console/jobs").status_code == 200


def test_nobody_can_sign_in_without_having_loaded_the_form(person: Person, tenant: str) -> None:
    key = person.gateway.credential(tenant).key
    assert person.submit("/console/sign-in", "0" * 64, key=key).status_code == 403


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "10.1.2.3", "", "[", "a:b"])
def test_a_host_name_that_is_not_ours_is_misdirected(redis_gateway: Gateway, host: str) -> None:
    for path in ("/console/", "/console/sign-in", "/console/events", "/console/static/x"):
        answer = httpx.get(f"{redis_gateway.url}{path}", headers={"host": host})
        assert answer.status_code in (400, 421), path
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:1", "[::1]:8000"])
def test_loopback_is_ours_under_each_of_its_names(redis_gateway: Gateway, host: str) -> None:
    answer = httpx.get(f"{redis_gateway.url}/console/sign-in", headers={"host": host})
    assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/", "/jobs", "/sign-in", "/nothing", "/jobs?misspelt=1"])
def test_every_answer_is_kept_from_frames_caches_and_foreign_scripts(
    redis_gateway: Gateway, tenant: str, path: str
) -> None:
    with signed_in(redis_gateway, tenant) as person:
        headers = person.get(f"/console{path}").headers
    assert headers["content-security-policy"] == POLICY
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("name", NAMES.values())
def test_scripts_and_styles_are_kept_by_browsers_under_the_hash_of_their_content(
    person: Person, name: str
) -> None:
    answer = person.get(f"/console/static/{name}")
    assert answer.status_code == 200
    assert "immutable" in answer.headers["cache-control"]
    assert person.get(f"/console/static/{name.replace('.', '.0')}").status_code == 404


def test_a_link_on_another_site_reaches_the_page_with_the_session(person: Person) -> None:
    crossing = {"sec-fetch-site": "cross-site"}  # the browser keeps the cookie back
    answer = person.get("/console/jobs?status=failed", headers=crossing, follow_redirects=True)
    assert 'http-equiv="refresh"' in answer.text
    assert "url=/console/jobs?status=failed" in answer.text
    assert "set-cookie" not in answer.headers


def test_a_console_that_is_off_is_not_there(redis_stack: ServerStack, tenant: str) -> None:
    with serving(redis_stack, console="off") as gateway:
        for path in ("/console/", "/console/sign-in", "/console/events"):
            assert httpx.get(f"{gateway.url}{path}").status_code == 404
        home = httpx.get(gateway.url, headers={"accept": "text/html"})
        assert home.headers["location"] == "docs"
        with gateway.client(tenant) as client:
            assert client.get("/api/v1/jobs/").status_code == 200


def _link(gateway: Gateway, tenant: str) -> str:
    created = gateway.credential(tenant)
    with gateway.store.transaction() as connection:
        return sessions.make_link(connection, created.id)


def _row(token: str, table: Table) -> Any:
    return table.c.token_hash == sessions._hash(token)


def _age(gateway: Gateway, table: Table, token: str, column: str, age: timedelta) -> None:
    moment = datetime.now(UTC) - age
    with gateway.store.transaction() as connection:
        this = update(table).where(_row(token, table)).values({column: moment})
        assert connection.execute(this.returning(table.c.token_hash)).all()


def _is_fresh(gateway: Gateway, token: str) -> bool:
    recent = console_session.c.seen_at > datetime.now(UTC) - timedelta(minutes=5)
    query = select(func.count()).where(_row(token, console_session), recent)
    with gateway.store.transaction() as connection:
        return bool(connection.execute(query).scalar_one())
