"""The event feed: every event of the tenant, in order, once, whatever breaks in between."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tagsweep.producer.gateway.auth import credentials
from tagsweep.worker.events import outbox
from tests.support.gateway import Gateway, ended, serving
from tests.support.stack import ServerStack, eventually
from tests.support.stores import new_ids

EVENTS = "/api/v1/events"
JOBS = "/api/v1/jobs/"


@dataclass
class Message:
    """One event of the stream."""

    id: int | None
    name: str
    data: Any


class Feed:
    """A connection to the feed, read as a browser's EventSource reads it."""

    def __init__(self, answer: httpx.Response) -> None:
        self._lines = answer.iter_lines()

    def next(self) -> Message:
        """Return the next event; comments and the like are passed over."""
        fields: dict[str, str] = {}
        for line in self._lines:
            if not line:
                if "data" in fields:
                    number = fields.get("id")
                    data = json.loads(fields["data"])
                    return Message(number and int(number), fields.get("event", "message"), data)  # type: ignore[arg-type]  # never empty
                fields = {}
                continue
            name, _, value = line.partition(": ")
            fields[name] = value
        raise EOFError

    def until(self, count: int) -> list[Message]:
        """Return the next completion events."""
        found: list[Message] = []
        while len(found) < count:
            message = self.next()
            if message.name == "message":
                found.append(message)
        return found


@contextmanager
def _feed(client: httpx.Client, last: int | None = None) -> Iterator[Feed]:
    headers = {} if last is None else {"Last-Event-ID": str(last)}
    with client.stream("GET", EVENTS, headers=headers, timeout=30) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield Feed(answer)


def _make(client: httpx.Client, how_many: int) -> list[str]:
    body = {"kind": "detach", "names": ["n"], "sources": new_ids(1)}
    return [client.post(JOBS, json=body).json()["id"] for _ in range(how_many)]


@pytest.mark.slow
def test_events_come_as_they_happen_and_resume_without_a_gap(gateway: Gateway, tenant: str) -> None:
    with gateway.client(tenant) as client, gateway.client(f"{tenant}-b") as another:
        with _feed(client) as feed:
            _make(another, 3)
            made = _make(client, 5)
            seen = feed.until(3)
        more = _make(client, 4)
        with _feed(client, seen[-1].id) as feed:
            seen += feed.until(6)
        assert {message.data["subject"] for message in seen} == {*made, *more}
        assert len({message.data["id"] for message in seen}) == 9
        assert [message.id for message in seen] == sorted(message.id or 0 for message in seen)
        assert all(message.data["source"] == f"/tagsweep/{tenant}" for message in seen)
        kept = {row.event for row in gateway.store.outbox() if row.tenant == tenant}
        assert {json.dumps(message.data, sort_keys=True) for message in seen} == {
            json.dumps(json.loads(event), sort_keys=True) for event in kept
        }


@pytest.mark.slow
def test_no_event_is_missed_while_many_jobs_end_at_once(
    redis_gateway: Gateway, tenant: str
) -> None:
    def flood() -> None:
        with redis_gateway.client(tenant) as client:
            _make(client, 25)

    with redis_gateway.client(tenant) as client:
        with _feed(client) as feed:
            floods = [threading.Thread(target=flood) for _ in range(4)]
            for one in floods:
                one.start()
            seen = [message.id for message in feed.until(100)]
            for one in floods:
                one.join()
        kept = [row.position for row in redis_gateway.store.outbox() if row.tenant == tenant]
    assert seen == kept


@pytest.mark.slow
def test_progress_of_running_jobs_comes_on_the_same_feed(
    idle_stack: ServerStack, tenant: str
) -> None:
    ids = new_ids(60_000)
    with serving(idle_stack) as gateway, gateway.client(tenant) as client, _feed(client) as feed:
        gateway.store.tag(tenant, "legacy", tables=ids)
        body = {"kind": "detach", "names": ["legacy"], "tables": ids}
        made = client.post(JOBS, json=body)
        idle_stack.start_worker(chunk_size=200, slice_ms=20)
        messages = [feed.next()]
        while messages[-1].name == "progress":
            messages.append(feed.next())
        *progress, end = messages
        assert end.data["subject"] == made.json()["id"]
        assert progress
        assert all(message.id is None for message in progress)
        assert {message.data["id"] for message in progress} == {made.json()["id"]}
        done = [message.data["progress"]["done"] for message in progress]
        assert done == sorted(done)
        assert progress[-1].data["progress"]["total"] == 60_000


@pytest.mark.slow
def test_what_is_kept_no_more_is_told(idle_stack: ServerStack, tenant: str) -> None:
    idle_stack.start_worker()
    with serving(idle_stack) as gateway, gateway.client(tenant) as client:
        for job_id in _make(client, 3):
            ended(client, JOBS + job_id)
        eventually(lambda: len([row for row in gateway.store.outbox() if row.position]) == 3)
        with gateway.store.transaction() as connection:
            for row in gateway.store.outbox()[:2]:
                outbox.drop(connection, row.job_id)
        for last, status in ((0, 410), (1, 410), (4, 400), (10**30, 400)):
            answer = client.get(EVENTS, headers={"Last-Event-ID": str(last)})
            assert answer.status_code == status
            assert answer.headers["content-type"] == "application/problem+json"
        with _feed(client, 2) as feed:
            assert feed.next().id == 3


@pytest.mark.parametrize("last", ["-1", "x", "1.0", "", "\u0661"])
def test_a_last_event_that_is_none_is_refused(
    redis_gateway: Gateway, tenant: str, last: str
) -> None:
    with redis_gateway.client(tenant) as client:
        answer = client.get(EVENTS, headers={"Last-Event-ID": last.encode()})  # type: ignore[arg-type]  # bytes will do
        assert answer.status_code == 400
        assert client.head(EVENTS).status_code == 200
    assert httpx.get(redis_gateway.url + EVENTS).status_code == 401


@pytest.mark.slow
def test_a_revoked_key_ends_its_feed(redis_gateway: Gateway, tenant: str) -> None:
    created = redis_gateway.credential(tenant)
    headers = {"x-api-key": created.key}
    with httpx.Client(base_url=redis_gateway.url, headers=headers) as client:
        with _feed(client) as feed:
            with redis_gateway.store.transaction() as connection:
                assert credentials.revoke(connection, created.id)
            with pytest.raises(EOFError):
                feed.next()
        assert client.get(JOBS).status_code == 401
