"""A crash before and after each statement, and two transactions that meet at each of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from uuid import UUID

import pytest
from sqlalchemy import text

from tagsweep.worker import database
from tagsweep.worker.broker.delivery import Delivery
from tagsweep.worker.events import relay
from tagsweep.worker.jobs import control
from tagsweep.worker.jobs.derived import runs
from tagsweep.worker.models.jobs import KINDS
from tagsweep.worker.models.run import RunRequest
from tagsweep.worker.tasks import accept, recorded, sweep
from tests.chaos import boundaries, scale
from tests.chaos.model import Errand, World
from tests.servers import Postgres, Redis
from tests.servers.processes import wait_until
from tests.support import driving
from tests.support.fixtures import configured
from tests.support.listeners import RedisEvents
from tests.support.stack import eventually
from tests.support.stores import Store

pytestmark = pytest.mark.mapped

DROP = pytest.param("drop", marks=pytest.mark.not_mapped("the tags of a map are not dropped"))
#: every so many boundaries
STRIDE = scale.pick(short=5, long=1)
MOST_BOUNDARIES = 400


@pytest.fixture
def world(
    postgres_server: Postgres, postgres_template: str, redis_server: Redis
) -> Iterator[tuple[World, RedisEvents]]:
    """A store that this process works on, and where its events go."""
    url = postgres_server.create_database(postgres_template)
    events_url = redis_server.create_database()
    with configured(database_url=url, events_url=events_url, chunk_size=4):
        store, events = Store(url), RedisEvents(events_url)
        yield World(store, scale.draw("boundaries")), events
        events.close()
        store.close()
    postgres_server.drop_database(url)


def deliver(errand: Errand, *, again: bool = False) -> None:
    """Give the job's message to a worker."""
    if errand.runs:
        with database.transaction() as connection:
            runs.record(connection, RunRequest.parse(errand.body))
        return
    kind, body = KINDS[errand.kind], driving.body(errand.body)
    accept.accept(kind, Delivery(kind.task, errand.id, (body,), {}, again, None, errand.id))


def _do(errand: Errand) -> None:
    deliver(errand)
    while recorded.split_next():  # a run is only recorded by its message
        pass
    while job := sweep.apply_next():
        if job.ended:
            relay.deliver(job.id)


def _recover() -> None:
    driving.recovered()
    while sweep.apply_next():  # not a time slice of them: on a busy machine one may not do
        pass
    driving.recovered()


@pytest.mark.mapped_core
@pytest.mark.parametrize("size", [2, 10], ids=["one chunk", "three chunks"])
@pytest.mark.parametrize(
    "kind", ["detach", "delete", "attach", "set", "select", "preview", "run", DROP, "merge"]
)
def test_a_crash_at_any_boundary_loses_and_doubles_nothing(
    world: tuple[World, RedisEvents], kind: str, size: int
) -> None:
    model, events = world
    for number in range(1, MOST_BOUNDARIES, STRIDE):
        make: Callable[..., Errand] = getattr(model, kind)
        errand = make(model.tenants[0], size)
        crashed = False
        with boundaries.at(number, boundaries.die):
            try:
                _do(errand)
            except boundaries.Died:
                crashed = True
        deliver(errand, again=True)
        _recover()
        model.check(events.all())
        if not crashed:
            assert number > 20
            return
    pytest.fail(f"more than {MOST_BOUNDARIES} boundaries")


def _sweep() -> None:
    job = sweep.apply_next()
    if job and job.ended:
        relay.deliver(job.id)


def _cancel(job_id: UUID) -> None:
    with database.transaction() as connection:
        control.cancel(connection, job_id)
    relay.deliver(job_id)


def _waits(store: Store, thread: threading.Thread) -> bool:
    """Tell whether the thread has come to its end, or waits for a lock."""
    query = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    with store.transaction() as connection:
        return not thread.is_alive() or bool(connection.execute(query).scalar_one())


@pytest.mark.parametrize("first", ["sweep", "cancel"])
def test_cancel_meets_the_closing_transaction_at_every_boundary(
    world: tuple[World, RedisEvents], first: str
) -> None:
    model, _ = world
    store = model.store
    for number in range(1, MOST_BOUNDARIES):
        errand = model.detach(model.tenants[0], 4)
        job_id = UUID(errand.id)
        model.record(errand)
        driving.split(job_id)
        steps: dict[str, Callable[[], None]] = {"sweep": _sweep, "cancel": partial(_cancel, job_id)}
        other = threading.Thread(target=steps["cancel" if first == "sweep" else "sweep"])

        def meet(other: threading.Thread = other) -> None:
            other.start()
            assert wait_until(lambda: _waits(store, other), seconds=20)

        with boundaries.at(number, meet):
            steps[first]()
        met = other.ident is not None
        if met:
            other.join()
        _recover()
        _check_either(store, errand)
        if not met:
            assert number > 10
            return
    pytest.fail(f"more than {MOST_BOUNDARIES} boundaries")


def _check_either(store: Store, errand: Errand) -> None:
    """Assert that the job is either done or cancelled untouched, and that its event says so."""
    job = store.job(errand.id)
    left = len(
        {one for _, _, one in store.links(errand.body["tenant"])} & set(errand.body["tables"])
    )
    (row,) = store.outbox(errand.id)
    assert (job.ends, job.open) == (1, 0)
    if job.status == "cancelled":
        assert (job.removed, job.absent, left) == (0, 0, 2)
    else:
        assert (job.status, job.removed, left) == ("succeeded", errand.counts["removed"], 0)
    assert f'"status":"{job.status}"' in row.event
    assert [chunk.state for chunk in store.chunks(errand.id)] != ["open"]


def test_ten_recoveries_at_once_do_each_step_once(world: tuple[World, RedisEvents]) -> None:
    model, events = world
    for number in range(40):
        errand = model.errand(30)
        if number % 2:
            model.record(errand)
        else:
            deliver(errand)
    failures: list[BaseException] = []

    def work() -> None:
        try:
            while any(model.unfinished()):
                driving.recovered()
                sweep.run()
        except BaseException as error:  # noqa: BLE001  # told below
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    eventually(lambda: not model.unfinished())
    model.check(events.all())
    found = events.all()
    assert len(found) == len({event["id"] for event in found})
