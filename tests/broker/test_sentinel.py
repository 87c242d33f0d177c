"""Redis behind sentinels: nothing is lost when a worker or the master is killed, under load."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tagsweep import TagSweep
from tagsweep.worker.errors import BrokerUnavailable
from tagsweep.worker.events import redis_stream
from tests.servers import Postgres
from tests.servers.sentinel import MASTER, Sentinel, running
from tests.support.fixtures import configured
from tests.support.stack import Worker, close, eventually
from tests.support.stores import Store, new_ids

pytestmark = [pytest.mark.integration, pytest.mark.chaos]

IDS = sorted(new_ids(60, seed=11))


@pytest.fixture
def sentinel() -> Iterator[Sentinel]:
    """A master, a replica and three sentinels, which the test may kill."""
    with running() as found:
        yield found


def _sent(sender: TagSweep, tenant: str, one: str) -> str:
    """Send a job, again under its id for as long as no master takes it."""
    handle = sender.job("00000000-0000-4000-8000-" + one[-12:])

    def try_it() -> bool:
        with contextlib.suppress(BrokerUnavailable):
            sender.detach(tenant=tenant, names=["legacy"], tables=[one], job_id=handle.id)
            return True
        return False

    eventually(try_it)
    return handle.id


@pytest.mark.timeout(180)
def test_no_job_is_lost_when_worker_and_master_are_killed(
    sentinel: Sentinel,
    postgres_server: Postgres,
    postgres_template: str,
    tmp_path: Path,
    tenant: str,
) -> None:
    store_url = postgres_server.create_database(postgres_template)
    url = sentinel.create_database()
    given: dict[str, object] = {"database_url": store_url, "broker_url": url}
    given |= {"sentinel_master": MASTER, "visibility_s": 2}
    store = Store(store_url)
    store.tag(tenant, "legacy", tables=IDS)
    workers = [Worker(tmp_path, given, 1) for _ in range(2)]
    try:
        for worker in workers:
            worker.wait_until_ready()
        with configured(**given):
            sender = TagSweep()
            sent = [_sent(sender, tenant, one) for one in IDS[:20]]
            workers[0].kill()
            sent += [_sent(sender, tenant, one) for one in IDS[20:40]]
            eventually(lambda: all(_ended(store, job_id) for job_id in sent))
            sentinel.kill_master()
            sent += [_sent(sender, tenant, one) for one in IDS[40:]]
            eventually(lambda: all(_ended(store, job_id) for job_id in sent), seconds=60)
            assert sender.job(sent[-1]).result(timeout=30)["counts"]["removed"] == 1
            close(sender._app, connections=True)
        assert store.links(tenant) == set()
        assert not workers[1].ended
        with sentinel.client(int(url.rpartition("/")[2])) as client:
            eventually(lambda: client.xlen("tagsweep:events") >= len(IDS))
    finally:
        for worker in workers:
            worker.kill()
        store.close()


def _ended(store: Store, job_id: str) -> bool:
    try:
        return bool(store.job(job_id).ends == 1)
    except Exception:  # noqa: BLE001  # it is not recorded yet
        return False


@pytest.mark.timeout(90)
def test_the_stream_goes_on_with_the_new_master(sentinel: Sentinel) -> None:
    url = sentinel.create_database()
    with configured(broker_url=url, sentinel_master=MASTER):
        redis_stream.publish(url, ['{"n": 1}'])
        sentinel.kill_master()

        def published() -> bool:
            with contextlib.suppress(BrokerUnavailable):
                redis_stream.publish(url, ['{"n": 2}'])
                return True
            return False

        eventually(published)
        assert next(iter(redis_stream.follow(url))) is None
