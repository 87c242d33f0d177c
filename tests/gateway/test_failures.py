"""The gateway while its servers are down: what it says is true, and it comes back by itself."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from tagsweep.worker.database import schema
from tagsweep.worker.models.ids import unpack
from tagsweep.worker.models.tables import link_change
from tests.servers import Postgres, Redis
from tests.support.fixtures import configured
from tests.support.gateway import Gateway, ended, serving
from tests.support.stack import ServerStack, eventually
from tests.support.stores import new_ids

pytestmark = pytest.mark.chaos

DETACH = "/api/v1/tags/detach/"


@pytest.fixture
def own_stack(own_postgres: Postgres, own_redis: Redis, tmp_path: Path) -> Iterator[ServerStack]:
    """Servers that the test may kill, with one worker."""
    url = own_postgres.create_database()
    with configured(database_url=url):
        schema.upgrade()
    stack = ServerStack("redis", tmp_path, url, own_redis.url)
    try:
        stack.start_worker()
        stack.wait()
        yield stack
    finally:
        stack.close()


@pytest.fixture
def own_gateway(own_stack: ServerStack) -> Iterator[Gateway]:
    """A gateway on them."""
    with serving(own_stack) as gateway:
        yield gateway


@pytest.fixture
def passing_on(own_stack: ServerStack) -> Iterator[Gateway]:
    """The same, which leaves all jobs to the worker."""
    with serving(own_stack, inline_items=0) as gateway:
        yield gateway


@contextmanager
def _hanging(server: Redis | Postgres) -> Iterator[None]:
    """Let the server hang: connections are taken, and nobody answers."""
    assert server.pid is not None
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


def _timed(client: httpx.Client, **options: Any) -> tuple[httpx.Response, float]:
    start = time.monotonic()
    answer = client.post(DETACH, **options)
    return answer, time.monotonic() - start


def _no_job(gateway: Gateway, client: httpx.Client) -> bool:
    del gateway
    return bool(client.get("/api/v1/jobs/").json()["count"] == 0)


@pytest.mark.parametrize("hangs", [False, True], ids=["killed", "hanging"])
def test_without_the_broker_a_call_that_waits_is_refused_and_never_done(
    passing_on: Gateway, own_redis: Redis, tenant: str, *, hangs: bool
) -> None:
    ids = new_ids(3)
    passing_on.store.tag(tenant, "legacy", sources=ids)
    body = {"names": ["legacy"], "sources": ids}
    with passing_on.client(tenant) as client:
        assert client.post(DETACH, json={"names": []}).status_code == 200
        if hangs:
            with _hanging(own_redis):
                answer, seconds = _timed(client, json=body)
        else:
            own_redis.kill()
            answer, seconds = _timed(client, json=body)
            own_redis.restart()
        assert answer.status_code == 503
        assert "The broker" in answer.json()["detail"]
        assert int(answer.headers["retry-after"]) > 0
        assert seconds < 2
        later = client.post(DETACH, json={"names": ["legacy"], "sources": ids[:1]})
        assert later.status_code == 200
        assert client.get("/api/v1/jobs/").json()["count"] == 2
    assert passing_on.store.links(tenant) == {("legacy", "sources", one) for one in ids[1:]}


def test_without_the_broker_a_job_is_cancelled_and_retried_all_the_same(
    own_gateway: Gateway, own_redis: Redis, tenant: str
) -> None:
    ids = new_ids(3)
    own_gateway.store.tag(tenant, "legacy", sources=ids)
    with own_gateway.client(tenant) as client:
        own_redis.kill()
        body = {"kind": "detach", "names": ["legacy"], "sources": ids}
        path = client.post("/api/v1/jobs/", json=body).headers["location"]
        assert client.post(f"{path}/cancel").json()["status"] == "cancelled"
        retried = client.post(f"{path}/retry")
        assert (retried.status_code, retried.json()["status"]) == (202, "queued")
        own_redis.restart()
        assert ended(client, path)["status"] == "succeeded"
    assert own_gateway.store.links(tenant) == set()


def test_without_the_broker_a_job_that_nobody_waits_for_is_taken_and_done_later(
    passing_on: Gateway, own_redis: Redis, tenant: str
) -> None:
    ids = new_ids(3)
    passing_on.store.tag(tenant, "legacy", sources=ids)
    with passing_on.client(tenant) as client:
        own_redis.kill()
        headers = {"Prefer": "respond-async", "Idempotency-Key": "k"}
        body = {"names": ["legacy"], "sources": ids}
        answer, seconds = _timed(client, json=body, headers=headers)
        assert answer.status_code == 202
        assert seconds < 2
        # a call that waits under the same key does not take back what was promised
        also = client.post(DETACH, json=body, headers={"Idempotency-Key": "k", "Prefer": "wait=1"})
        assert (also.status_code, also.json()["id"]) == (202, answer.json()["id"])
        own_redis.restart()
        assert ended(client, answer.headers["location"])["status"] == "succeeded"
    assert passing_on.store.links(tenant) == set()


@pytest.mark.parametrize("hangs", [False, True], ids=["killed", "hanging"])
def test_without_the_database_every_call_is_refused_and_it_recovers(
    own_gateway: Gateway, own_postgres: Postgres, tenant: str, *, hangs: bool
) -> None:
    ids = new_ids(3)
    own_gateway.store.tag(tenant, "legacy", sources=ids)
    body = {"names": ["legacy"], "sources": ids}
    with own_gateway.client(tenant) as client:
        assert client.post(DETACH, json={"names": []}).status_code == 200
        if hangs:
            pids = _backends(own_postgres)
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            answers = [_timed(client, json=body, headers=headers) for headers in PREFERENCES]
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        else:
            own_postgres.kill()
            answers = [_timed(client, json=body, headers=headers) for headers in PREFERENCES]
            assert client.get("/readyz").status_code == 503
            assert client.get("/healthz").status_code == 200
            own_postgres.restart()
            own_gateway.store.engine.dispose()  # the connections of the test itself
        for answer, seconds in answers:
            assert answer.status_code == 503
            assert int(answer.headers["retry-after"]) > 0
            assert seconds < 2.1
        eventually(lambda: client.get("/readyz").status_code == 200)
        assert client.get("/api/v1/jobs/").json()["count"] == 1
        assert len(own_gateway.store.links(tenant)) == 3
        assert eventually(lambda: client.post(DETACH, json=body).status_code == 200)
    assert own_gateway.store.links(tenant) == set()


PREFERENCES: tuple[dict[str, str], ...] = ({}, {"Prefer": "respond-async"})


def _backends(server: Postgres) -> list[int]:
    import psutil

    assert server.pid is not None
    postmaster = psutil.Process(server.pid)
    return [postmaster.pid, *(child.pid for child in postmaster.children(recursive=True))]


def test_a_gateway_told_to_stop_finishes_what_it_has_begun(
    own_stack: ServerStack, tenant: str
) -> None:
    import threading

    own_stack.workers[0].kill()
    with (
        serving(own_stack, shutdown_s=6, inline_items=0) as gateway,
        gateway.client(tenant) as client,
    ):
        found: list[httpx.Response] = []

        def call() -> None:
            found.append(client.post(DETACH, json={"names": ["legacy"], "sources": new_ids(1)}))

        waiting = threading.Thread(target=call)
        waiting.start()
        eventually(lambda: "tagsweep_waiting_requests 1.0" in _metrics(gateway))
        gateway.process.send_signal(signal.SIGTERM)
        waiting.join(20)
        assert found[0].status_code == 202
        assert gateway.process.wait(20) in (0, -signal.SIGTERM)


def _metrics(gateway: Gateway) -> str:
    return httpx.get(f"{gateway.url}/metrics").text


@pytest.mark.parametrize("hangs", [False, True], ids=["killed", "hanging"])
def test_a_small_call_is_done_without_the_broker_and_its_event_follows(
    own_gateway: Gateway, own_redis: Redis, tenant: str, *, hangs: bool
) -> None:
    ids = new_ids(3)
    own_gateway.store.tag(tenant, "legacy", sources=ids)
    with own_gateway.client(tenant) as client:
        assert client.post(DETACH, json={"names": []}).status_code == 200
        if hangs:
            with _hanging(own_redis):
                answers = [_timed(client, json=_body(one)) for one in ids]
        else:
            own_redis.kill()
            answers = [_timed(client, json=_body(one)) for one in ids]
            own_redis.restart()
    assert [answer.status_code for answer, _ in answers] == [200] * 3
    assert max(seconds for _, seconds in answers) < 2
    assert own_gateway.store.links(tenant) == set()
    eventually(lambda: all(row.published_at for row in own_gateway.store.outbox()))


def _body(*ids: str) -> dict[str, Any]:
    return {"names": ["legacy"], "sources": list(ids)}


@pytest.mark.parametrize("after_s", [0.1, 0.3, 0.6])
def test_a_gateway_that_is_killed_has_done_each_call_wholly_or_not_at_all(
    own_stack: ServerStack, tenant: str, after_s: float
) -> None:
    ids = new_ids(400)
    own_stack.store.tag(tenant, "legacy", sources=ids)
    pairs = [ids[at : at + 2] for at in range(0, len(ids), 2)]
    with serving(own_stack) as gateway:
        key = gateway.credential(tenant).key
        answered = asyncio.run(_until_killed(gateway, key, pairs, after_s))
    done = {one for job in _changed(own_stack) for one in job}
    assert all(len(job) == 2 for job in _changed(own_stack))
    assert {one for at in answered for one in pairs[at]} <= done
    left = {one for _, _, one in own_stack.store.links(tenant)}
    assert left == set(ids) - done
    # whoever repeats it gets the truth, and it is done once
    with serving(own_stack) as gateway, gateway.client(tenant) as client:
        for at, pair in enumerate(pairs):
            headers = {"Idempotency-Key": f"k-{at}"}
            assert client.post(DETACH, json=_body(*pair), headers=headers).status_code == 200
        assert client.get("/api/v1/jobs/").json()["count"] == len(pairs)
        eventually(lambda: all(row.published_at for row in gateway.store.outbox()))
    assert own_stack.store.links(tenant) == set()
    assert sorted(map(len, _changed(own_stack))) == [2] * len(pairs)


async def _until_killed(
    gateway: Gateway, key: str, pairs: list[list[str]], after_s: float
) -> list[int]:
    """Detach all pairs at once, kill the gateway meanwhile; return which were answered."""
    limits = httpx.Limits(max_connections=len(pairs))
    headers = {"x-api-key": key}
    async with httpx.AsyncClient(base_url=gateway.url, headers=headers, limits=limits) as client:

        async def call(at: int) -> int | None:
            own = {"Idempotency-Key": f"k-{at}"}
            try:
                answer = await client.post(DETACH, json=_body(*pairs[at]), headers=own, timeout=60)
            except httpx.TransportError:
                return None
            return at if answer.status_code == 200 else None

        calls = [asyncio.ensure_future(call(at)) for at in range(len(pairs))]
        await asyncio.sleep(after_s)
        gateway.kill()
        return [at for at in await asyncio.gather(*calls) if at is not None]


def _changed(stack: ServerStack) -> list[list[str]]:
    """Return the ids that each job has recorded as removed."""
    query = select(link_change.c.job_id, link_change.c.ids)
    with stack.store.transaction() as connection:
        return [list(unpack(row.ids)) for row in connection.execute(query)]
