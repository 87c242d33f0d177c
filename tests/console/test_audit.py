"""The audit's page: who did what, of the tenant or, for an admin, of all."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import pytest

from tagsweep.producer.gateway.console.reading import audit as reading
from tagsweep.producer.gateway.console.reading.audit import Wanted
from tagsweep.producer.gateway.console.routes.audit import PAGE
from tagsweep.worker.audit.entries import EntryFilter
from tests.support import driving
from tests.support.console import Person, signed_in
from tests.support.gateway import Gateway
from tests.support.stores import Store, new_ids, new_tenant

MARKUP = "<img src=x onerror=alert(1)>"


@pytest.fixture
def person(idle_gateway: Gateway, tenant: str) -> Iterator[Person]:
    """Somebody with a key of the tenant; no worker is there."""
    with signed_in(idle_gateway, tenant, name="Ada") as one:
        yield one


def _rows(person: Person, query: str = "") -> list[str]:
    """Return the rows of the page as lines of words."""
    page = person.get(f"/console/audit{query}")
    assert page.status_code == 200, page.text
    rows = re.findall(r"<tr>(.*?)</tr>", page.text.partition("<tbody>")[2], re.DOTALL)
    return [" ".join(html.unescape(re.sub(r"<[^>]+>", " ", row)).split()) for row in rows]


def _ask(gateway: Gateway, tenant: str, **body: object) -> str:
    with gateway.client(tenant, name="robot") as client:
        asked = {"kind": "detach", "names": ["legacy"], "tables": new_ids(2), **body}
        return str(client.post("/api/v1/jobs/", json=asked).json()["id"])


def test_it_tells_who_asked_for_a_job_and_who_stopped_it(person: Person, tenant: str) -> None:
    job_id = _ask(person.gateway, tenant, note="spring")
    person.submit(f"/console/jobs/{job_id}/pause")
    person.submit(f"/console/jobs/{job_id}/cancel")
    rows = _rows(person)
    short = job_id[:8]
    assert [f"Ada console cancelled a job detach {short}" in rows[0]] == [True], rows
    assert f"Ada console paused a job detach {short}" in rows[1]
    assert f"robot http asked for a job detach {short} note: spring" in rows[2]
    (row,) = _rows(person, "?action=job.pause")
    assert "paused" in row
    assert len(_rows(person, "?by=robot")) == 1
    assert _rows(person, "?since=2099-01-01T00:00") == []


def test_details_are_told_in_words(redis_gateway: Gateway, tenant: str) -> None:
    redis_gateway.credential(tenant, name="ci")
    with signed_in(redis_gateway, tenant) as person:
        page = html.unescape(person.get("/console/audit").text)
    assert "scopes: read, preview, write, undo, approve" in page
    assert "operator: no" in page
    for program in ("['", "True", "False", "None", "expires_at"):
        assert program not in page


def test_a_tenant_sees_its_own_and_an_admin_all(person: Person, tenant: str) -> None:
    other = new_tenant()
    ours, theirs = _ask(person.gateway, tenant), _ask(person.gateway, other)
    assert not [row for row in _rows(person) if theirs[:8] in row]
    answer = person.get(f"/console/audit?tenant={other}")
    assert answer.status_code == 403
    with signed_in(person.gateway, "", admin=True) as admin:
        assert {ours[:8], theirs[:8]} <= set(" ".join(_rows(admin)).split())
        assert [theirs[:8] in row for row in _rows(admin, f"?tenant={other}&by=robot")] == [True]


def test_what_is_named_there_is_shown_as_text(person: Person, tenant: str) -> None:
    _ask(person.gateway, tenant, note=MARKUP)
    text = person.get("/console/audit").text
    assert MARKUP not in text
    assert html.escape(MARKUP) in text


@pytest.mark.parametrize("query", ["action=job.lose", "since=yesterday", "after=nowhere"])
def test_a_filter_that_means_nothing_is_told(person: Person, query: str) -> None:
    answer = person.get(f"/console/audit?{query}")
    assert answer.status_code == 400
    assert query.partition("=")[0] in answer.text or "first" in answer.text


def test_pages_follow_each_other_without_gap_and_without_repetition(
    store: Store, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [driving.record(driving.attach_job(tenant, ["t"], tables=new_ids(1))) for _ in range(9)]
    assert store.outbox() == []
    monkeypatch.setattr(reading, "SCANNED", 4)
    for wanted in (
        Wanted(EntryFilter(tenant), None, None),
        Wanted(EntryFilter(tenant), "job.create", None),
    ):
        seen, place = [], None
        while True:
            page = reading.read(wanted, place, 3)
            seen += [entry.job_id for entry in page.entries]
            place = page.next_place
            if place is None:
                break
        assert seen == made[::-1]
    rare = Wanted(EntryFilter(tenant), "job.cancel", None)
    page = reading.read(rare, None, PAGE)
    assert (page.entries, page.stopped) == ([], True)
