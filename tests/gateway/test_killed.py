"""A gateway that is killed has done each call of its batch wholly, or not at all."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import closing
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from tagsweep.worker.models.ids import unpack
from tagsweep.worker.models.tables import chunk, job, link_change
from tests.support.dying_gateway import POINTS
from tests.support.gateway import Gateway, serving
from tests.support.stack import ServerStack, eventually
from tests.support.stores import Store, new_ids, new_tenant

pytestmark = [pytest.mark.chaos, pytest.mark.slow]

DETACH = "/api/v1/tags/detach/"
IDS = new_ids(24, seed=6)

#: a tenant, and the id that it detaches
Call = tuple[str, str]


@pytest.mark.parametrize("point", POINTS)
def test_each_call_of_a_batch_was_done_wholly_or_not_at_all(
    idle_stack: ServerStack, point: str
) -> None:
    store, tenants = idle_stack.store, [new_tenant(), new_tenant()]
    for tenant in tenants:
        store.tag(tenant, "old", tables=IDS)
    calls = [(tenant, one) for one in IDS for tenant in tenants]
    program = ("tests.support.dying_gateway", point)
    gateway = Gateway(idle_stack.folder, idle_stack.settings, "serve", program=program)
    with closing(gateway):
        gateway.wait()
        answered = [call for call, status in _all_at_once(gateway, calls) if status == 200]
        assert eventually(lambda: gateway.process.poll() is not None)
    done = _done(store)
    assert set(answered) <= done.keys()
    assert _left(store, tenants) == set(calls) - done.keys()
    # several jobs that were accepted at one moment are those of the batch that it died in
    largest = max(Counter(done.values()).values(), default=0)
    assert largest <= 1 or point in ("at the commit", "committed")
    assert largest > 1 or point != "committed"
    _repeat(idle_stack, calls)


def _repeat(stack: ServerStack, calls: list[Call]) -> None:
    """Send all again to another gateway, and see that each has been done once and told of once."""
    with serving(stack) as gateway:
        assert {status for _, status in _all_at_once(gateway, calls)} == {200}
    assert _done(stack.store).keys() == set(calls)
    stack.start_worker()
    eventually(lambda: all(row.published_at for row in stack.store.outbox()))
    assert len(stack.store.outbox()) == len(calls)


def _all_at_once(gateway: Gateway, calls: list[Call]) -> list[tuple[Call, int | None]]:
    """Make all calls, each under a key of its own; return the status of each, if it has one."""
    keys = {tenant: gateway.credential(tenant).key for tenant, _ in calls}

    async def send() -> list[int | None]:
        limits = httpx.Limits(max_connections=len(calls))
        async with httpx.AsyncClient(base_url=gateway.url, timeout=60, limits=limits) as client:

            async def one(tenant: str, resource: str) -> int | None:
                headers = {"x-api-key": keys[tenant], "Idempotency-Key": resource}
                body = {"names": ["old"], "tables": [resource]}
                try:
                    return (await client.post(DETACH, json=body, headers=headers)).status_code
                except httpx.TransportError:
                    return None

            return await asyncio.gather(*(one(*call) for call in calls))

    return list(zip(calls, asyncio.run(send()), strict=True))


def _done(store: Store) -> dict[Call, Any]:
    """Return which calls were done, and when each was accepted; all that is kept of them agrees."""
    with store.transaction() as connection:
        jobs = connection.execute(select(job)).all()
        changes = connection.execute(select(link_change)).all()
        closed = connection.execute(select(chunk.c.job_id).where(chunk.c.state == "done")).all()
    ids = {one.id for one in jobs}
    removed = {change.job_id: list(unpack(change.ids)) for change in changes}
    ended = {row.job_id for row in store.outbox() if row.end == 1}
    assert ids == removed.keys() == ended == {row.job_id for row in closed}
    assert len(jobs) == len(changes) == len(closed) == len(store.outbox())
    assert all((one.status, one.changed) == ("succeeded", 1) for one in jobs)
    return {(one.tenant, *removed[one.id]): one.accepted_at for one in jobs}


def _left(store: Store, tenants: list[str]) -> set[Call]:
    return {(tenant, one) for tenant in tenants for _, _, one in store.links(tenant)}
