"""Many requests at once, and very long ones: one process serves them all."""

from __future__ import annotations

import asyncio
import json
import statistics
import time

import httpx
import psutil
import pytest

from tests.chaos import scale
from tests.support.gateway import Gateway, ended, serving
from tests.support.stack import ServerStack, eventually
from tests.support.stores import new_ids, new_tenant

pytestmark = pytest.mark.slow

DETACH = "/api/v1/tags/detach/"
MEBIBYTE = 1 << 20
CONNECTIONS = 1_000


def _memory(gateway: Gateway) -> int:
    return int(psutil.Process(gateway.process.pid).memory_info().rss)


def test_five_hundred_requests_wait_at_once(idle_stack: ServerStack, tenant: str) -> None:
    with serving(idle_stack, wait_s=100, inline_items=0) as gateway:
        key = gateway.credential(tenant).key
        gateway.store.tag(tenant, "legacy", sources=new_ids(500, seed=1))
        before = _memory(gateway)
        statuses, most = asyncio.run(_wait_all(idle_stack, gateway, key))
        assert statuses == [200] * 500
        print(f"500 waiting: {before // MEBIBYTE} MiB, then {most // MEBIBYTE} MiB")  # noqa: T201  # what was measured
        assert most - before < 100 * MEBIBYTE
        assert gateway.store.links(tenant) == set()


async def _wait_all(stack: ServerStack, gateway: Gateway, key: str) -> tuple[list[int], int]:
    limits = httpx.Limits(max_connections=600)
    options = {"base_url": gateway.url, "headers": {"x-api-key": key}}
    async with httpx.AsyncClient(timeout=110, limits=limits, **options) as client:  # type: ignore[arg-type]  # each is what it is
        calls = [
            asyncio.ensure_future(client.post(DETACH, json={"names": ["legacy"], "sources": [one]}))
            for one in new_ids(500, seed=1)
        ]
        while "tagsweep_waiting_requests 500.0" not in (await client.get("/metrics")).text:
            assert not any(call.done() for call in calls)
        most = _memory(gateway)
        assert (await client.get("/healthz")).elapsed.total_seconds() < 1
        stack.start_worker()
        statuses = [answer.status_code for answer in await asyncio.gather(*calls)]
    return statuses, most


def test_a_million_ids_keep_nobody_waiting(redis_gateway: Gateway, tenant: str) -> None:
    ids = new_ids(1_000_000, seed=2)
    body = json.dumps({"names": ["legacy"], "tables": ids}).encode()
    assert len(body) > 38 * MEBIBYTE
    redis_gateway.store.tag(tenant, "legacy", tables=ids[:1000])
    with redis_gateway.client(tenant) as client:
        before, during, answer = asyncio.run(_measure(redis_gateway, dict(client.headers), body))
        assert answer.status_code == 202
        done = ended(client, answer.headers["location"])
    assert done["counts"]["total"] == 1_000_000
    assert done["counts"]["removed"] == 1000
    print(_told("before", before), _told("during", during), f"in {answer.elapsed}", sep="; ")  # noqa: T201  # what was measured
    assert len(during) >= 5
    assert _p99(during) < 1.0


def _p99(seconds: list[float]) -> float:
    return sorted(seconds)[int(len(seconds) * 0.99) - 1]


def _told(when: str, seconds: list[float]) -> str:
    median, worst = (1000 * some for some in (statistics.median(seconds), _p99(seconds)))
    return f"small calls {when}: {len(seconds)}, p50 {median:.0f} ms, p99 {worst:.0f} ms"


async def _measure(
    gateway: Gateway, headers: dict[str, str], body: bytes
) -> tuple[list[float], list[float], httpx.Response]:
    small = {"names": ["none"], "sources": new_ids(2, seed=3)}
    async with httpx.AsyncClient(base_url=gateway.url, headers=headers, timeout=60) as client:

        async def calls(until: asyncio.Future[httpx.Response] | None) -> list[float]:
            seconds: list[float] = []
            while len(seconds) < 100 if until is None else not until.done():
                start = time.monotonic()
                assert (await client.post(DETACH, json=small)).status_code == 200
                seconds.append(time.monotonic() - start)
            return seconds

        before = await calls(None)
        own = {"Content-Type": "application/json", "Prefer": "respond-async"}
        long = asyncio.ensure_future(client.post(DETACH, content=body, headers=own))
        return before, await calls(long), await long


def test_a_thousand_connections_are_all_served_within_the_wait(idle_stack: ServerStack) -> None:
    tenants = [new_tenant() for _ in range(8)]
    ids = new_ids(CONNECTIONS, seed=4)
    with serving(idle_stack) as gateway:
        for tenant in tenants:
            gateway.store.tag(tenant, "legacy", sources=ids)
        keys = [gateway.credential(tenant).key for tenant in tenants]
        before = _memory(gateway)
        seconds = asyncio.run(_thousand(gateway, keys, ids, scale.pick(short=3, long=60)))
        calls, slowest = sum(map(len, seconds)), max(map(max, seconds))
        grown = _memory(gateway) - before
        print(f"{calls} calls, the slowest {slowest:.1f} s, {grown // MEBIBYTE} MiB more")  # noqa: T201  # what was measured
        assert slowest < 30  # TAGSWEEP_WAIT_S: none was left to workers, of whom there are none
        assert grown < 150 * MEBIBYTE
        for number, tenant in enumerate(tenants):
            left = {one for _, _, one in gateway.store.links(tenant)}
            assert left == {one for at, one in enumerate(ids) if at % len(keys) != number}
        assert httpx.get(f"{gateway.url}/healthz").elapsed.total_seconds() < 1
        eventually(
            lambda: "tagsweep_waiting_requests 0.0" in httpx.get(f"{gateway.url}/metrics").text
        )


async def _thousand(
    gateway: Gateway, keys: list[str], ids: list[str], lasting_s: float
) -> list[list[float]]:
    """Call over all connections for so long; return how long each call of each took."""
    end = time.monotonic() + lasting_s

    async def one(at: int) -> list[float]:
        body = json.dumps({"names": ["legacy"], "sources": [ids[at]]}).encode()
        head = f"POST {DETACH} HTTP/1.1\r\nhost: a\r\nx-api-key: {keys[at % len(keys)]}\r\n"
        head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        seconds: list[float] = []
        while not seconds or time.monotonic() < end:
            start = time.monotonic()
            writer.write(head.encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 200 "), answer
            length = answer.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length))
            seconds.append(time.monotonic() - start)
        writer.close()
        return seconds

    return await asyncio.gather(*(one(at) for at in range(CONNECTIONS)))
