"""Times that Python has no number for: the jobs of a tag that bears one are done all the same."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from tests.support import driving
from tests.support.gateway import Gateway
from tests.support.stores import Store, counts, new_ids

#: as each database writes them, and what they are told as
TIMES = {
    "infinity": "9999-12-31T23:59:59.999999+00:00",
    "-infinity": "0001-01-01T00:00:00.000000+00:00",
    "0044-03-15 12:00:00 BC": "0001-01-01T00:00:00.000000+00:00",
    "20000-01-01 00:00:00": "9999-12-31T23:59:59.999999+00:00",
}


def _set(store: Store, tenant: str, time: str) -> None:
    with store.transaction() as connection:
        values = {"time": time, "tenant": tenant}
        for column in ("created_at", "updated_at"):
            setting = f"UPDATE tag SET {column} = CAST(:time AS {_type(store)}) "
            connection.execute(text(setting + "WHERE tenant = :tenant"), values)


def _type(store: Store) -> str:
    return "text" if store.engine.dialect.name == "sqlite" else "timestamptz"


@pytest.mark.parametrize("time", TIMES)
@pytest.mark.parametrize("size", [1, 20_000])
def test_a_tag_of_any_time_loses_and_gains_links(
    store: Store, tenant: str, time: str, size: int
) -> None:
    ids = new_ids(3)
    store.tag(tenant, "legacy", tables=ids)
    store.tag(tenant, "none", tables=[])
    _set(store, tenant, time)
    driving.chunk_size(size)
    done = driving.run(driving.detach_job(tenant, ["legacy", "none"], tables=ids))
    assert done["counts"] == counts(total=6, removed=3, absent=3)
    assert {tag["created_at"] for tag in done["tags"]} == {TIMES[time]}
    assert done["tags"][1]["updated_at"] == TIMES[time]
    back = driving.run(driving.attach_job(tenant, ["legacy"], tables=ids))
    assert back["counts"]["added"] == 3
    every = driving.run(driving.detach_job(tenant, ["legacy"], tables="*"))
    assert every["counts"]["removed"] == 3


@pytest.mark.parametrize("time", TIMES)
def test_lists_show_a_tag_of_any_time(redis_gateway: Gateway, tenant: str, time: str) -> None:
    ids = new_ids(2)
    redis_gateway.store.tag(tenant, "legacy", tables=ids)
    _set(redis_gateway.store, tenant, time)
    with redis_gateway.client(tenant) as client:
        listed = client.get("/api/v1/tables/", params={"expand[]": "tags"})
        assert listed.json()["results"][0]["tags"][0]["created_at"] == TIMES[time]
        done = client.post("/api/v1/tags/detach/", json={"names": ["legacy"], "tables": ids})
        assert done.json()[0]["created_at"] == TIMES[time]
