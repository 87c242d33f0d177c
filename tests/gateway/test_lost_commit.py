"""A store that is lost in the middle of a batch's commit: each call of it is told so, with its id.

Whoever repeats it under its Idempotency-Key gets the truth.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from uuid import UUID

import httpx
import pytest

from tests.support.gateway import Gateway, serving
from tests.support.postgres_proxy import LosingProxy
from tests.support.stack import ServerStack, eventually
from tests.support.stores import new_ids, new_tenant

pytestmark = [pytest.mark.chaos, pytest.mark.slow]

DETACH = "/api/v1/tags/detach/"
IDS = new_ids(12, seed=7)
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

#: a tenant, and the id that it detaches
Call = tuple[str, str]


def _all_at_once(
    gateway: Gateway, keys: dict[str, str], calls: list[Call]
) -> dict[Call, httpx.Response]:
    """Make all calls, each under an Idempotency-Key of its own; ``keys``: of the tenants."""

    async def send() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=len(calls))
        async with httpx.AsyncClient(base_url=gateway.url, timeout=30, limits=limits) as client:
            return await asyncio.gather(
                *(
                    client.post(
                        DETACH,
                        json={"names": ["old"], "tables": [one]},
                        headers={"x-api-key": keys[tenant], "Idempotency-Key": one},
                    )
                    for tenant, one in calls
                )
            )

    return dict(zip(calls, asyncio.run(send()), strict=True))


@pytest.mark.parametrize("commits", [True, False], ids=["committed", "not committed"])
def test_each_call_of_a_batch_gets_500_with_its_id_and_the_truth_once_repeated(
    idle_stack: ServerStack, *, commits: bool
) -> None:
    store, tenants = idle_stack.store, [new_tenant(), new_tenant()]
    for tenant in tenants:
        store.tag(tenant, "old", tables=IDS)
    calls = [(tenant, one) for one in IDS for tenant in tenants]
    url = str(idle_stack.settings["database_url"])
    with (
        LosingProxy(url, tenants, commits=commits) as proxy,
        serving(idle_stack, database_url=proxy.url) as gateway,
    ):
        keys = {tenant: gateway.credential(tenant).key for tenant in tenants}
        first = _all_at_once(gateway, keys, calls)
        assert proxy.has_lost.is_set()
        lost = {call: answer for call, answer in first.items() if answer.status_code == 500}
        done = {call for call, answer in first.items() if answer.status_code == 200}
        statuses = Counter(answer.status_code for answer in first.values())
        assert len(lost) > 1, statuses
        assert set(statuses) <= {200, 500, 503}
        ids = {call: UUID(_ID.findall(answer.text)[0]) for call, answer in lost.items()}
        assert len(set(ids.values())) == len(lost)
        kept = set(lost) if commits else set()
        eventually(lambda: _left(idle_stack, tenants) == set(calls) - done - kept)
        assert all((store.job(job_id) is not None) == commits for job_id in ids.values())

        proxy.repair()
        eventually(lambda: httpx.get(f"{gateway.url}/readyz").status_code == 200)
        again = _all_at_once(gateway, keys, calls)
        assert {answer.status_code for answer in again.values()} == {200}
        assert _left(idle_stack, tenants) == set()
        for call, job_id in ids.items():
            job = store.job(job_id)
            assert (job.tenant, job.status, job.removed, job.ends) == (call[0], "succeeded", 1, 1)
    idle_stack.start_worker()  # it tells of what the gateway has lost sight of
    eventually(lambda: all(row.published_at for row in store.outbox()))
    assert len(store.outbox()) == len(calls)


def test_the_event_of_a_call_whose_commit_is_found_out_is_published_by_the_gateway(
    idle_stack: ServerStack,
) -> None:
    store, tenants = idle_stack.store, [new_tenant(), new_tenant()]
    for tenant in tenants:
        store.tag(tenant, "old", tables=IDS)
    calls = [(tenant, one) for one in IDS for tenant in tenants]
    url = str(idle_stack.settings["database_url"])
    with (
        LosingProxy(url, tenants, commits=True, returns=True) as proxy,
        serving(idle_stack, database_url=proxy.url) as gateway,
    ):
        keys = {tenant: gateway.credential(tenant).key for tenant in tenants}
        answers = _all_at_once(gateway, keys, calls)
        assert proxy.has_lost.is_set()
        done = [one for one in answers.values() if one.status_code == 200]
        ids = [one.headers["Content-Location"].rpartition("/")[2] for one in done]
        # there is no worker that would publish them
        eventually(lambda: all(row.published_at for one in ids for row in store.outbox(one)))


def _left(stack: ServerStack, tenants: list[str]) -> set[Call]:
    return {(tenant, one) for tenant in tenants for _, _, one in stack.store.links(tenant)}
