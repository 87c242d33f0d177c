"""Webhooks in the console: made, tried, changed and deleted; their secrets are shown once."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import insert, update

from tagsweep.producer.gateway.console import pages
from tagsweep.producer.gateway.console.routes.webhooks.page import PAGE
from tagsweep.worker.audit import entries
from tagsweep.worker.audit.entries import EntryFilter
from tagsweep.worker.models.tables import ago, delivery, webhook
from tests.support.console import Person, signed_in
from tests.support.gateway import Gateway, ended, serving
from tests.support.hooks import SETTINGS
from tests.support.receivers import Receiver
from tests.support.stack import ServerStack, eventually
from tests.support.stores import new_ids, new_tenant

pytestmark = [pytest.mark.slow, pytest.mark.default_configuration]

WEBHOOKS, API = "/console/webhooks", "/api/v1/webhooks/"
#: what stands for somebody's form of a new webhook
TOKEN = "a-token"
_SECRET = re.compile(r'<pre id="copy-secret"[^>]*>(whsec_[^<]+)</pre>')
_REPLACED = re.compile(r'name="replaced" value="([0-9a-f]*)"')


@pytest.fixture
def person(hook_gateway: Gateway, tenant: str) -> Iterator[Person]:
    """Somebody with a key of the tenant."""
    with signed_in(hook_gateway, tenant, name="Ada") as one:
        yield one


def _secret(answer: httpx.Response) -> str:
    """Return the secret that the answer shows."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    (found,) = _SECRET.findall(answer.text)
    return html.unescape(found)


def _made(person: Person, receiver: Receiver, path: str, **fields: Any) -> str:
    """Make a webhook that sends to a path of the receiver; return the path of its page."""
    answer = person.submit(f"{WEBHOOKS}/new", url=receiver.url(path), token=uuid4().hex, **fields)
    receiver.secrets[path] = [_secret(answer)]
    (page,) = set(re.findall(rf"{WEBHOOKS}/[0-9a-f-]{{36}}", answer.text))
    return str(page)


def _rotated(person: Person, path: str) -> httpx.Response:
    """Answer the question before a new secret."""
    (version,) = _REPLACED.findall(person.get(path).text)
    return person.submit(path, replaced=version)


def _done(answer: httpx.Response) -> str:
    """Return where the browser is led after something was done."""
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def _text(answer: httpx.Response) -> str:
    """Return the words of a page."""
    text = html.unescape(re.sub(r"<[^>]+>", " ", answer.text.partition("<main")[2]))
    return " ".join(text.split())


def _api(person: Person, tenant: str, path: str = "") -> Any:
    """Return what HTTP tells."""
    with person.gateway.client(tenant) as client:
        return client.get(API + path).json()


def _end_job(person: Person, tenant: str) -> str:
    """Let a job end; return the id of its event."""
    with person.gateway.client(tenant) as client:
        body = {"kind": "detach", "names": ["x"], "tables": new_ids(1)}
        job = ended(client, client.post("/api/v1/jobs/", json=body).headers["location"])
    return f"{job['id']}.1"


def test_a_webhook_is_made_tried_used_changed_switched_and_deleted(
    person: Person, receiver: Receiver, tenant: str
) -> None:
    own = _made(person, receiver, "/a", kinds=["detach", "merge"], statuses=["succeeded"])
    listed = _text(person.get(WEBHOOKS))
    assert f"{receiver.url('/a')} detach, merge succeeded on 0 none yet" in listed
    assert receiver.secrets["/a"][0] not in person.get(WEBHOOKS).text + person.get(own).text
    assert _done(person.submit(f"{own}/test")) == own
    (tried,) = eventually(lambda: receiver.ids("/a"))
    assert f"{tried} delivered" in eventually(lambda: _says(person, own, "delivered now"))
    event = _end_job(person, tenant)
    eventually(lambda: event in receiver.ids("/a"))
    again = f"{own}/deliveries/{event}/redeliver"
    assert event in person.get(again).text
    assert _done(person.submit(again)) == f"{own}?again=1"
    assert "1 event is sent again." in _text(person.get(f"{own}?again=1"))
    eventually(lambda: receiver.ids("/a").count(event) == 2)
    assert _done(person.submit(f"{own}/redeliver", since="2026-01-31T12:00")) == f"{own}?again=1"
    eventually(lambda: receiver.ids("/a").count(event) == 3)
    assert _done(person.submit(f"{own}/redeliver", since="2099-01-31T12:00")) == f"{own}?again=0"
    assert "No event since then" in _text(person.get(f"{own}?again=0"))
    assert _done(person.submit(f"{own}/disable")) == own
    assert "off It was switched off by hand." in _text(person.get(own))
    assert "Send a test…" not in person.get(own).text
    assert _done(person.submit(f"{own}/enable")) == own
    changed = person.submit(f"{own}/change", url=receiver.url("/b"), statuses=["failed"])
    assert _done(changed) == own
    (shown,) = _api(person, tenant)["results"]
    assert (shown["url"], shown["kinds"], shown["statuses"]) == (
        receiver.url("/b"),
        None,
        ["failed"],
    )
    assert shown["enabled"]
    assert "This cannot be taken back." in _text(person.get(f"{own}/delete"))
    assert _done(person.submit(f"{own}/delete")) == WEBHOOKS
    assert person.get(own).status_code == 404
    assert _api(person, tenant)["count"] == 0
    assert receiver.forged == []
    assert _deeds(person, tenant) == [
        *("create", "test", "redeliver", "redeliver", "redeliver"),
        *("update", "update", "update", "delete"),
    ]


def _says(person: Person, path: str, words: str) -> str | None:
    text = _text(person.get(path))
    return text if words in text else None


def _deeds(person: Person, tenant: str) -> list[str]:
    """Return what was done with webhooks, in order; all of it by Ada at the console."""
    with person.gateway.store.transaction() as connection:
        found = entries.page(connection, EntryFilter(tenant), None, 100)
    noted = [entry for entry in reversed(found) if entry.action.startswith("webhook.")]
    for entry in noted:
        assert entry.requested_by == {"name": "Ada", "door": "console", "proved": True}
        assert entry.credential
        assert "whsec_" not in str(entry)
    return [entry.action.removeprefix("webhook.") for entry in noted]


def test_the_form_of_a_new_webhook_makes_one_however_often_it_is_sent(
    person: Person, receiver: Receiver, tenant: str
) -> None:
    answers = [
        person.submit(f"{WEBHOOKS}/new", url=receiver.url("/a"), token=TOKEN) for _ in range(2)
    ]
    secret = _secret(answers[0])
    assert answers[1].status_code == 409
    assert "This form was sent before" in answers[1].text
    assert "whsec_" not in answers[1].text
    (only,) = _api(person, tenant)["results"]
    assert f"{WEBHOOKS}/{only['id']}" in answers[1].text
    receiver.secrets["/a"] = [secret]
    person.submit(f"{WEBHOOKS}/{only['id']}/test")
    eventually(lambda: receiver.ids("/a"))
    assert receiver.forged == []
    with signed_in(person.gateway, new_tenant()) as stranger:  # whose form has the same token
        _secret(stranger.submit(f"{WEBHOOKS}/new", url=receiver.url("/a"), token=TOKEN))


def test_a_new_secret_signs_beside_the_old_one_and_its_form_makes_one(
    person: Person, receiver: Receiver, tenant: str
) -> None:
    own = _made(person, receiver, "/a")
    question = person.get(f"{own}/rotate")
    (version,) = _REPLACED.findall(question.text)
    assert "For a day" in question.text
    assert "ends now" not in question.text
    receiver.secrets["/a"].append(_secret(person.submit(f"{own}/rotate", replaced=version)))
    for replaced in (version, "", "0" * 32):
        answer = person.submit(f"{own}/rotate", replaced=replaced)
        assert answer.status_code == 409
        assert "whsec_" not in answer.text
        assert "Nothing was done." in answer.text
    person.submit(f"{own}/test")
    eventually(lambda: receiver.ids("/a"))
    assert receiver.forged == []  # both secrets verify it
    assert "the one before signs too until" in _text(person.get(own))
    warned = _text(person.get(f"{own}/rotate"))
    assert "The one before that, which was to sign until" in warned
    assert _deeds(person, tenant) == ["create", "rotate", "test"]


def test_the_secret_of_callbacks_is_made_and_replaced_once_for_each_form(
    person: Person, receiver: Receiver, tenant: str
) -> None:
    path = f"{WEBHOOKS}/callbacks/rotate"
    assert "There is none yet" in _text(person.get(WEBHOOKS))
    receiver.secrets["/a"] = [_secret(person.submit(path, replaced=""))]
    assert person.submit(path, replaced="").status_code == 409
    receiver.secrets["/a"].append(_secret(_rotated(person, path)))
    assert "There is one; the one before it signs too until" in _text(person.get(WEBHOOKS))
    with person.gateway.client(tenant) as client:
        body = {"kind": "detach", "names": ["x"], "tables": new_ids(1)}
        body["callback_url"] = receiver.url("/a")
        assert client.post("/api/v1/jobs/", json=body).status_code == 202
    eventually(lambda: receiver.ids("/a"))
    assert receiver.forged == []
    assert _deeds(person, tenant) == ["rotate", "rotate"]


@pytest.mark.parametrize(
    "fields",
    [
        {"url": ""},
        {"url": "<b>bold</b>"},
        {"url": "https://user:pass@h.example/"},
        {"url": "http://10.0.0.1/"},
        {"url": "https://169.254.169.254/latest/meta-data"},
        {"url": "https://[::ffff:a9fe:a9fe]/"},
        {"url": "https://no-such-host.invalid/"},
        {"url": "http://127.0.0.1/", "kinds": ["remove"]},
        {"url": "http://127.0.0.1/", "statuses": ["failed", "gone"]},
    ],
)
def test_what_is_refused_is_told_beside_its_field_in_the_words_of_http(
    person: Person, receiver: Receiver, tenant: str, fields: dict[str, Any]
) -> None:
    own = _made(person, receiver, "/a", kinds=["merge"])
    with person.gateway.client(tenant) as client:
        refused = client.post(API, json=fields)
    (error,) = refused.json()["errors"]
    field, given = error["path"].lstrip("/"), html.escape(str(fields["url"]))
    for path in (f"{WEBHOOKS}/new", f"{own}/change"):
        answer = person.submit(path, token=TOKEN, **fields)
        assert answer.status_code == refused.status_code
        (told,) = re.findall(rf'id="{field}-fault">([^<]+)<', answer.text)
        assert html.unescape(told) == error["reason"]
        assert refused.json()["detail"] in _text(answer)
        assert f'name="url" value="{given}"' in answer.text
        assert "<b>bold" not in answer.text
    (only,) = _api(person, tenant)["results"]
    assert (only["url"], only["kinds"]) == (receiver.url("/a"), ["merge"])


def test_a_time_that_is_none_is_told_beside_its_field(person: Person, receiver: Receiver) -> None:
    own = _made(person, receiver, "/a")
    for given in ("", "yesterday", "2026-13-01T00:00"):
        answer = person.submit(f"{own}/redeliver", since=given)
        assert answer.status_code == 400
        assert "Must be a time like" in answer.text
        assert f'name="since" value="{given}"' in answer.text


def test_one_webhook_too_many_is_told_in_the_form(
    person: Person, receiver: Receiver, tenant: str
) -> None:
    own = _made(person, receiver, "/a").rpartition("/")[2]
    with person.gateway.store.transaction() as connection:
        row = {"tenant": tenant, "origin": "webhook", "url": "https://h.example/", "position": 0}
        rows = [row | {"id": uuid4(), "sealed_secret": b"x" * 40} for _ in range(99)]
        connection.execute(insert(webhook), rows)
    answer = person.submit(f"{WEBHOOKS}/new", url=receiver.url("/b"), token=TOKEN)
    assert answer.status_code == 409
    assert "A tenant has at most 100 webhooks" in answer.text
    assert f'name="url" value="{receiver.url("/b")}"' in answer.text
    text = _text(person.get(WEBHOOKS))
    assert text.count("not sent TAGSWEEP_SECRET_KEY is not the key") == 99
    assert _api(person, tenant, own)["enabled"]


def _paths(own: str, event: str) -> dict[str, set[str]]:
    """Return the paths of all routes about one webhook, filled in, with their methods."""
    found: dict[str, set[str]] = {}
    for route in pages.ROUTES:
        if "{webhook_id}" not in route.path:
            continue
        for action in ("enable", "disable", "test", "delete"):
            path = route.path.replace(f"{WEBHOOKS}/{{webhook_id}}", own)
            path = path.replace("{event_id}", event).replace("{action}", action)
            found.setdefault(path, set()).update(route.methods)
    assert len(found) == 9, found
    return found


FORM = {"url": "https://203.0.113.9/", "since": "2026-01-01T00:00", "replaced": "", "token": TOKEN}


def test_the_webhook_of_another_tenant_is_nowhere(
    person: Person, receiver: Receiver, tenant: str
) -> None:
    own = _made(person, receiver, "/a")
    person.submit(f"{own}/test")
    (event,) = eventually(lambda: receiver.ids("/a"))
    before = _api(person, tenant)
    with signed_in(person.gateway, new_tenant()) as stranger:
        theirs = _made(stranger, receiver, "/b")
        for path, methods in _paths(own, event).items():
            answers = [stranger.get(path), stranger.get(path, headers={"hx-request": "true"})]
            answers += [stranger.submit(path, **FORM)] if "POST" in methods else []
            for answer in answers:
                assert answer.status_code == 404, path
                assert receiver.url("/a") not in answer.text
        crossed = f"{theirs}/deliveries/{event}/redeliver"
        assert stranger.get(crossed).status_code == 404
        assert stranger.submit(crossed).status_code == 404
        assert receiver.url("/a") not in stranger.get(WEBHOOKS).text
    assert _api(person, tenant) == before
    assert receiver.ids("/a") == [event]
    assert _deeds(person, tenant) == ["create", "test"]


def test_a_form_without_its_token_or_from_elsewhere_changes_nothing(
    person: Person, receiver: Receiver, tenant: str
) -> None:
    own = _made(person, receiver, "/a")
    csrf = person.csrf("/console/jobs")
    paths = [path for path, methods in _paths(own, "x").items() if "POST" in methods]
    for path in (*paths, f"{WEBHOOKS}/new", f"{WEBHOOKS}/callbacks/rotate"):
        for data in (FORM, {**FORM, "csrf": "0" * 64}):
            assert person.post(path, data=data).status_code == 403, path
        foreign = {"origin": "https://evil.example"}
        answer = person.post(path, data={**FORM, "csrf": csrf}, headers=foreign)
        assert answer.status_code == 403, path
    assert _deeds(person, tenant) == ["create"]


@pytest.mark.parametrize("scopes", [("read",), ("read", "preview", "undo", "approve")])
def test_a_key_that_may_not_write_sees_no_button_and_changes_nothing(
    person: Person, receiver: Receiver, tenant: str, scopes: tuple[str, ...]
) -> None:
    own = _made(person, receiver, "/a")
    person.submit(f"{own}/test")
    (event,) = eventually(lambda: receiver.ids("/a"))
    with signed_in(person.gateway, tenant, scopes=scopes) as reader:
        _sees_and_cannot(reader, own, event)
    assert _deeds(person, tenant) == ["create", "test"]


def test_a_read_only_console_shows_all_and_changes_nothing(
    person: Person, hook_stack: ServerStack, receiver: Receiver, tenant: str
) -> None:
    own = _made(person, receiver, "/a")
    person.submit(f"{own}/test")
    (event,) = eventually(lambda: receiver.ids("/a"))
    with (
        serving(hook_stack, **SETTINGS, console="read-only") as gateway,
        signed_in(gateway, tenant) as reader,
    ):
        _sees_and_cannot(reader, own, event)
    assert _deeds(person, tenant) == ["create", "test"]


def _sees_and_cannot(reader: Person, own: str, event: str) -> None:
    for path in (WEBHOOKS, own):
        page = reader.get(path)
        assert page.status_code == 200
        assert "…</a>" not in page.text
        assert "/redeliver" not in page.text
    assert event in reader.get(own).text
    for path, methods in _paths(own, event).items():
        if "POST" in methods:
            assert reader.get(path).status_code == 403, path
            assert reader.submit(path, **FORM).status_code == 403, path
    for path in (f"{WEBHOOKS}/new", f"{WEBHOOKS}/callbacks/rotate"):
        assert reader.get(path).status_code == 403
        assert reader.submit(path, **FORM).status_code == 403


def test_an_admin_who_belongs_to_no_tenant_has_no_webhooks(hook_gateway: Gateway) -> None:
    with signed_in(hook_gateway, "", admin=True) as admin:
        assert admin.get(WEBHOOKS).status_code == 403
        assert admin.get(f"{WEBHOOKS}/new").status_code == 403
        assert admin.submit(f"{WEBHOOKS}/new", **FORM).status_code == 403
        assert WEBHOOKS not in admin.get("/console/jobs").text


def test_an_address_with_markup_is_shown_as_text(
    person: Person, receiver: Receiver, tenant: str
) -> None:
    markup = "/<script>alert(1)</script>\"'&"
    url = receiver.url("") + markup
    answer = person.submit(f"{WEBHOOKS}/new", url=url, token=TOKEN)
    _secret(answer)
    (only,) = _api(person, tenant)["results"]
    own = f"{WEBHOOKS}/{only['id']}"
    questions = [f"{own}/{each}" for each in ("change", "delete", "rotate", "redeliver", "test")]
    for path in (WEBHOOKS, own, *questions):
        page = person.get(path)
        assert page.status_code == 200
        assert "<script>alert" not in page.text, path
        assert html.escape("<script>alert(1)", quote=False) in page.text, path


def test_where_there_is_no_key_the_page_says_what_to_do(
    person: Person, hook_stack: ServerStack, receiver: Receiver, tenant: str
) -> None:
    own = _made(person, receiver, "/a")
    without = {name: value for name, value in SETTINGS.items() if name != "secret_key"}
    with (
        serving(hook_stack, **without, secret_key="") as gateway,
        signed_in(gateway, tenant) as one,
    ):
        text = _text(one.get(WEBHOOKS))
        assert "Webhooks cannot be made here. TAGSWEEP_SECRET_KEY is not set" in text
        assert "openssl rand -hex 32" in text
        assert "New webhook…" not in text
        assert "callback secret…" not in text
        for path in (f"{WEBHOOKS}/new", f"{WEBHOOKS}/callbacks/rotate"):
            answer = one.submit(path, url=receiver.url("/b"), token=TOKEN, replaced="")
            assert answer.status_code == 503
            assert "TAGSWEEP_SECRET_KEY is not set" in answer.text
        assert "not sent TAGSWEEP_SECRET_KEY is not set" in _text(one.get(own))
        assert _done(one.submit(f"{own}/delete")) == WEBHOOKS


def test_a_webhook_that_is_off_says_why_and_is_switched_on(
    person: Person, receiver: Receiver, tenant: str
) -> None:
    own = _made(person, receiver, "/a")
    receiver.answers["/a"] = 410
    first = _end_job(person, tenant)
    text = eventually(lambda: _says(person, WEBHOOKS, "off The receiver answered 410"))
    assert "failed" in text
    receiver.answers["/a"] = 204
    missed = _end_job(person, tenant)
    assert _done(person.submit(f"{own}/enable")) == own
    last = _end_job(person, tenant)
    eventually(lambda: last in receiver.ids("/a"))
    assert {first, missed}.isdisjoint(receiver.ids("/a"))
    since = f"{datetime.now(UTC) - timedelta(hours=1):%Y-%m-%dT%H:%M}"
    assert _done(person.submit(f"{own}/redeliver", since=since)) == f"{own}?again=3"
    eventually(lambda: {first, missed, last} <= set(receiver.ids("/a")))


def test_a_webhook_that_fails_says_since_when_and_what_was_tried(
    person: Person, receiver: Receiver, tenant: str
) -> None:
    own = _made(person, receiver, "/a")
    receiver.answers["/a"] = 503
    event = _end_job(person, tenant)
    assert "failing since 20" in eventually(lambda: _says(person, WEBHOOKS, "failing since"))
    text = eventually(lambda: _says(person, own, "All attempts"))
    assert f"{event} waiting" in text
    assert "It answered 503 (" in text
    part = person.get(own, headers={"hx-request": "true", "x-live": "1"}).text
    assert "data-soon" in part  # an attempt comes soon: the page looks again by itself
    assert "csrf" not in part
    receiver.answers["/a"] = 204
    eventually(lambda: _says(person, own, f"{event} delivered"))
    assert "data-soon" not in person.get(own).text


def test_the_log_has_pages_and_shows_deliveries_by_state(
    person: Person, receiver: Receiver
) -> None:
    own = _made(person, receiver, "/a")
    person.submit(f"{own}/disable")
    states = ("delivered", "failed", "waiting")
    rows = [
        {
            "webhook_id": own.rpartition("/")[2],
            "event_id": f"event-{number:03}",
            "body": "{}",
            "state": states[number % 3],
            "created_at": ago(300 - number // 2),  # two of each moment
        }
        for number in range(2 * PAGE + 5)
    ]
    with person.gateway.store.transaction() as connection:
        for row in rows:
            connection.execute(insert(delivery).values(row))
        moments = {"created_at": ago(400)}
        connection.execute(
            update(delivery).where(delivery.c.event_id == "event-000").values(moments)
        )
    assert _pages(person, own) == [row["event_id"] for row in reversed(rows)]
    waiting = [row["event_id"] for row in reversed(rows) if row["state"] == "waiting"]
    assert _pages(person, f"{own}?state=waiting") == waiting
    for query, status in (
        ("state=gone", 400),
        ("after=nowhere", 404),
        ("after=2026-01-01/%00", 404),
    ):
        assert person.get(f"{own}?{query}").status_code == status


def _pages(person: Person, path: str) -> list[str]:
    """Return the events of a log, page by page."""
    seen: list[str] = []
    while True:
        page = person.get(path)
        assert page.status_code == 200, page.text
        seen += re.findall(r'<th scope="row" class="mono">(event-\d+)</th>', page.text)
        following = re.findall(r'rel="next" href="([^"]+)"', page.text)
        if not following:
            return seen
        path = html.unescape(following[0])


def test_webhooks_are_made_in_the_embedded_service_too(up_gateway: Gateway, tenant: str) -> None:
    with signed_in(up_gateway, tenant) as person:
        answer = person.submit(f"{WEBHOOKS}/new", url="https://203.0.113.9/", token=TOKEN)
        assert answer.status_code == 422  # a reserved network, there too
        answer = person.submit(f"{WEBHOOKS}/new", url="https://1.1.1.1/", token=TOKEN)
        _secret(answer)
        assert "https://1.1.1.1/" in person.get(WEBHOOKS).text
