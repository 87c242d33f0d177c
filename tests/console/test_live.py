"""What keeps pages up to date: parts that are made once for all, and a stream that says when."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import update

from tagsweep.producer.gateway.auth import credentials
from tagsweep.worker.models.tables import console_session, job
from tests.support.console import Person, signed_in
from tests.support.gateway import Gateway, ended
from tests.support.stack import eventually
from tests.support.stores import new_ids, new_tenant

GRACE = {"name": "Grace", "door": "cli", "proved": False}
LIVE = {"x-live": "1", "hx-request": "true"}


def _detach(gateway: Gateway, tenant: str, **body: Any) -> str:
    """Let a job end; return its id."""
    with gateway.client(tenant, name="Ada") as client:
        asked = {"kind": "detach", "names": ["legacy"], "tables": new_ids(2), **body}
        done = ended(client, client.post("/api/v1/jobs/", json=asked).headers["location"])
    return str(done["id"])


def _part(person: Person, path: str, version: str = "", at: str = "") -> httpx.Response:
    answer = person.get(path, headers={**LIVE, "if-none-match": version, "x-news": at})
    assert answer.status_code in (200, 304), answer.text
    return answer


def test_a_part_that_has_not_changed_is_not_sent_again(redis_gateway: Gateway, tenant: str) -> None:
    job_id = _detach(redis_gateway, tenant)
    path = f"/console/jobs/{job_id}"
    with signed_in(redis_gateway, tenant) as person:
        first = _part(person, path)
        assert "detach legacy" in first.text
        assert "<html" not in first.text
        again = _part(person, path, first.headers["etag"])
        assert (again.status_code, again.content) == (304, b"")
        with redis_gateway.store.transaction() as connection:
            this = update(job).where(job.c.tenant == tenant)
            connection.execute(this.values(requested_by=GRACE))
        changed = eventually(
            lambda: (part := _part(person, path, first.headers["etag"])).text and part, seconds=10
        )
        assert "Grace" in changed.text
        assert changed.headers["etag"] != first.headers["etag"]


def test_a_part_is_no_older_than_the_news_for_which_it_is_asked(
    redis_gateway: Gateway, tenant: str
) -> None:
    with signed_in(redis_gateway, tenant) as person, _stream(person) as news:
        told = next(news)
        for _ in range(3):
            assert _part(person, "/console/jobs", at=told["at"]).text
            done = _detach(redis_gateway, tenant)
            while done not in told["jobs"]:
                told = next(news)
            assert done in _part(person, "/console/jobs", at=told["at"]).text


def test_a_page_that_somebody_opens_is_as_of_now(redis_gateway: Gateway, tenant: str) -> None:
    with signed_in(redis_gateway, tenant) as person:
        assert "No job fits" in _part(person, "/console/jobs").text
        job_id = _detach(redis_gateway, tenant)
        assert job_id in person.get("/console/jobs").text
        assert "etag" not in person.get("/console/jobs").headers


@pytest.mark.parametrize("path", ["/console/", "/console/jobs", "/console/jobs/{}"])
def test_a_part_has_nothing_of_the_session_that_it_was_made_for(
    redis_gateway: Gateway, tenant: str, path: str
) -> None:
    path = path.format(_detach(redis_gateway, tenant))
    with (
        signed_in(redis_gateway, tenant, name="key of one") as one,
        signed_in(redis_gateway, tenant, name="key of two") as two,
    ):
        parts = [_part(person, path).text for person in (one, two)]
        for part, person in zip(parts, (one, two), strict=True):
            assert "key of" not in part
            assert "csrf" not in part
            assert person.cookie not in part


def test_whoever_may_do_less_gets_a_part_of_their_own(redis_gateway: Gateway, tenant: str) -> None:
    ids = new_ids(2)
    redis_gateway.store.tag(tenant, "legacy", tables=ids)
    job_id = _detach(redis_gateway, tenant, tables=ids)
    path = f"/console/jobs/{job_id}"
    with (
        signed_in(redis_gateway, tenant) as able,
        signed_in(redis_gateway, tenant, scopes=("read",)) as reader,
        signed_in(redis_gateway, new_tenant()) as stranger,
        signed_in(redis_gateway, "", admin=True) as admin,
    ):
        assert f"{path}/undo" in _part(able, path).text
        assert f"{path}/undo" not in _part(reader, path).text
        assert f"{path}/undo" not in _part(admin, path).text
        assert stranger.get(path, headers=LIVE).status_code == 404
        assert job_id not in _part(stranger, "/console/jobs").text
        assert job_id in _part(reader, "/console/jobs").text


@contextmanager
def _stream(person: Person) -> Iterator[Iterator[dict[str, Any]]]:
    """Yield the messages of a console's stream; the last has no data."""

    def read(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
        for line in lines:
            if line.startswith("data: "):
                yield json.loads(line.removeprefix("data: "))

    with person.stream("GET", "/console/events", timeout=30) as answer:
        yield read(answer.iter_lines())


def test_the_stream_names_the_jobs_that_have_moved(redis_gateway: Gateway, tenant: str) -> None:
    with signed_in(redis_gateway, tenant) as person, _stream(person) as news:
        first = next(news)
        assert (first["jobs"], first["all"]) == ([], True)
        done = {_detach(redis_gateway, tenant) for _ in range(3)}
        _detach(redis_gateway, new_tenant())
        named: set[str] = set()
        told = first
        while not done <= named:
            told = next(news)
            named |= set(told["jobs"])
        assert named == done
        assert told["at"] != first["at"]


@pytest.mark.parametrize("change", [{"paused": True}, {"waiting": "A lock is held."}])
def test_the_stream_names_a_job_that_stops_though_it_is_no_further(
    redis_gateway: Gateway, tenant: str, change: dict[str, Any]
) -> None:
    now = datetime.now(UTC)
    own = {"kind": "detach", "status": "running", "head": {"names": ["x"]}, "matched": []}
    times = {"accepted_at": now, "started_at": now, "parts_in": 1, "parts": 1}
    row = {"id": uuid4(), "tenant": tenant, "fingerprint": bytes(32), "errors": [], **own, **times}
    this = job.c.id == row["id"]
    with signed_in(redis_gateway, tenant) as person, _stream(person) as news:
        next(news)
        with redis_gateway.store.transaction() as connection:
            connection.execute(job.insert().values(**row, sizes={}, total=2, open=1))
        assert next(told["jobs"] for told in news if not told["all"]) == [str(row["id"])]
        with redis_gateway.store.transaction() as connection:
            connection.execute(update(job).where(this).values(**change))
        assert next(told["jobs"] for told in news if not told["all"]) == [str(row["id"])]
        with redis_gateway.store.transaction() as connection:
            connection.execute(update(job).where(this).values(status="cancelled", open=0))


@pytest.mark.parametrize("how", ["signed out", "key revoked", "over"])
def test_the_stream_of_a_session_ends_with_it(
    redis_gateway: Gateway, tenant: str, how: str
) -> None:
    created = redis_gateway.credential(tenant)
    with Person(redis_gateway) as person, signed_in(redis_gateway, tenant) as other:
        person.sign_in(created.key)
        with _stream(person) as news, _stream(other) as going_on:
            next(news), next(going_on)
            if how == "signed out":
                token = person.cookie
                person.submit("/console/sign-out")
                person.cookies.set(f"tagsweep-{redis_gateway.port}", token)
                assert person.get("/console/jobs", headers=LIVE).status_code == 204
            else:
                with redis_gateway.store.transaction() as connection:
                    if how == "over":
                        mine = console_session.c.credential_id == created.id
                        connection.execute(console_session.delete().where(mine))
                    else:
                        credentials.revoke(connection, created.id)
            assert {} in list(news)
            done = _detach(redis_gateway, tenant)
            assert any(done in told["jobs"] for told in going_on)


def test_a_closed_stream_leaves_nothing_behind(redis_gateway: Gateway, tenant: str) -> None:
    def feeds() -> float:
        text = httpx.get(f"{redis_gateway.url}/metrics").text
        return float(re.findall(r"^tagsweep_open_feeds (\S+)", text, re.MULTILINE)[0])

    before = feeds()
    with signed_in(redis_gateway, tenant) as person:
        with _stream(person) as news:
            next(news)
            eventually(lambda: feeds() == before + 1)
        eventually(lambda: feeds() == before, seconds=30)
        assert person.get("/console/jobs", headers=LIVE).status_code == 200
