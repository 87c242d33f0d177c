"""Recovery is done by one worker at a time, the one with the lease; if it dies, by another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import psutil
import pytest
import redis
from sqlalchemy import select, text, update

from tagsweep.worker import database
from tagsweep.worker.broker.app import BEGAN, DIED
from tagsweep.worker.database import lease
from tagsweep.worker.models.tables import ago, alarm, clock
from tagsweep.worker.models.tables import lease as leases
from tagsweep.worker.tasks import recover, recovery_turns
from tagsweep.worker.tasks.recovery_turns import EVERY_S, NEXT_S, SELDOM_S, Alone, Turns
from tests.servers import Postgres, Redis
from tests.support import driving
from tests.support.fixtures import configured
from tests.support.stack import ServerStack, Stack, eventually, messages_waiting
from tests.support.stores import Store, new_ids

#: far above what it takes, far below what a test may take
SOON_S = 40


@pytest.fixture
def looks(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """What recovery did in this process: an entry for each look at an empty store."""
    made: list[None] = []

    def note(_: database.Connection) -> list[str]:
        made.append(None)
        return []

    monkeypatch.setattr(recover, "due", note)
    assert store.outbox() == []
    return made


def _expire(*names: str) -> None:
    """Let the time of leases be over."""
    with database.transaction() as connection:
        over = update(leases).where(leases.c.name.in_(names)).values(until=ago(1))
        connection.execute(over)


def _holder(name: str) -> str | None:
    with database.reading() as connection:
        query = select(leases.c.holder).where(leases.c.name == name, leases.c.until > clock())
        return connection.execute(query).scalar()


def test_one_worker_recovers_and_another_is_the_next(looks: list[None]) -> None:
    first, second, third = (Turns(name) for name in ("first", "second", "third"))
    for _ in range(3):
        assert first.look() == EVERY_S
        assert second.look() == NEXT_S
        assert third.look() > 0
    assert len(looks) == 3
    assert (_holder(lease.RECOVERY), _holder(lease.NEXT)) == ("first", "second")


def test_the_next_recovers_when_the_holder_is_gone_and_gives_up_its_place(
    looks: list[None],
) -> None:
    first, second, third = (Turns(name) for name in ("first", "second", "third"))
    for worker in (first, second, third):
        worker.look()
    _expire(lease.RECOVERY)
    assert second.look() == EVERY_S
    assert len(looks) == 2
    assert third.look() == NEXT_S
    assert (_holder(lease.RECOVERY), _holder(lease.NEXT)) == ("second", "third")


def test_where_both_are_gone_any_other_recovers(looks: list[None]) -> None:
    for worker in ("first", "second"):
        Turns(worker).look()
    _expire(lease.RECOVERY, lease.NEXT)
    third = Turns("third")
    assert third.look() == EVERY_S
    assert len(looks) == 2


def test_a_worker_that_ends_leaves_its_turn_at_once(looks: list[None]) -> None:
    first, second = Turns("first"), Turns("second")
    first.look()
    second.look()
    first.end()
    assert second.look() == EVERY_S
    assert len(looks) == 2


def test_a_paused_holder_that_goes_on_learns_that_it_lost_its_turn(
    looks: list[None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery_turns, "RENEW_S", 0)
    first, second = Turns("first"), Turns("second")
    first.look()
    _expire(lease.RECOVERY)
    second.look()
    assert first.look() == NEXT_S
    assert len(looks) == 2


def test_others_look_more_and_more_seldom(looks: list[None]) -> None:
    for worker in ("first", "second"):
        Turns(worker).look()
    third = Turns("third")
    pauses = [third.look() for _ in range(8)]
    assert pauses[0] <= NEXT_S < pauses[-1] <= SELDOM_S
    assert len(looks) == 1


def test_if_the_store_refuses_the_lease_every_worker_recovers(
    looks: list[None], store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    with store.transaction() as connection:
        connection.execute(text("DROP TABLE lease"))
    for worker in ("first", "second"):
        assert Turns(worker).look() == EVERY_S
    assert len(looks) == 2
    assert "cannot be left to one worker" in caplog.text


def test_with_the_embedded_broker_every_process_recovers(looks: list[None]) -> None:
    for _ in range(2):
        assert Alone().look() == EVERY_S
    assert len(looks) == 2
    assert _holder(lease.RECOVERY) is None


def test_a_step_that_the_store_refuses_does_not_keep_others_from_being_done(
    store: Store, redis_url: str, tenant: str
) -> None:
    ids = new_ids(2)
    store.tag(tenant, "legacy", tables=ids)
    with configured(database_url=store.url, broker_url=redis_url):
        driving.record(driving.detach_job(tenant, ["legacy"], tables=ids))
        with store.transaction() as connection:
            connection.execute(text("DROP TABLE chore"))
        Turns("first").look()
        assert messages_waiting(redis_url, "tagsweep.sweep") > 0


@pytest.fixture
def stack(
    postgres_server: Postgres, postgres_template: str, redis_server: Redis, tmp_path: Path
) -> Iterator[ServerStack]:
    """PostgreSQL and Redis; workers to be started."""
    database_url = postgres_server.create_database(postgres_template)
    stack = ServerStack("redis", tmp_path, database_url, redis_server.create_database())
    try:
        yield stack
    finally:
        stack.close()
        postgres_server.drop_database(database_url)


def _recorded(stack: Stack, tenant: str) -> UUID:
    """Record a job in the store, with no message about it."""
    ids = new_ids(3)
    stack.store.tag(tenant, "legacy", tables=ids)
    with configured(database_url=stack.store.url):
        return driving.record(driving.detach_job(tenant, ["legacy"], tables=ids))


def _is_done(stack: Stack, job_id: UUID) -> Callable[[], bool]:
    return lambda: bool(stack.store.job(job_id).status == "succeeded")


@pytest.mark.slow
@pytest.mark.integration
def test_recovery_outlives_whichever_worker_or_process_is_killed(
    stack: ServerStack, tenant: str
) -> None:
    holder = stack.start_worker(2)
    holder.wait_until_ready()
    eventually(_is_done(stack, _recorded(stack, tenant)))
    stack.start_worker()
    stack.wait()
    for child in psutil.Process(holder.process.pid).children():
        child.kill()
    eventually(_is_done(stack, _recorded(stack, tenant)), SOON_S)
    holder.kill()
    eventually(_is_done(stack, _recorded(stack, tenant)), SOON_S)


@pytest.mark.slow
@pytest.mark.integration
def test_an_idle_system_sends_no_messages(stack: ServerStack, tenant: str) -> None:
    for _ in range(2):
        stack.start_worker()
    stack.wait()
    eventually(_is_done(stack, _recorded(stack, tenant)))
    with redis.Redis.from_url(stack.broker_url) as client:
        before = client.info("commandstats").get("cmdstat_lpush")
        eventually(_is_held_again(stack))
        assert client.info("commandstats").get("cmdstat_lpush") == before


def _is_held_again(stack: ServerStack) -> Callable[[], bool]:
    """Return whether recovery has looked again since this call."""

    def until() -> object:
        with stack.store.transaction() as connection:
            query = select(leases.c.until).where(leases.c.name == lease.RECOVERY)
            return connection.execute(query).scalar()

    first = until()
    return lambda: until() != first


@pytest.mark.parametrize("reason", [None, BEGAN, DIED])
def test_what_a_worker_of_an_older_version_sends_is_accepted(
    stack: ServerStack, tenant: str, reason: str | None
) -> None:
    worker = stack.start_worker()
    stack.wait()
    stack._app.send_task("tags.recover", [reason] if reason else [], queue="tagsweep.sweep")
    assert stack.detach(tenant, ["legacy"], tables=new_ids(1))["status"] == "succeeded"
    eventually(lambda: messages_waiting(stack.broker_url, "tagsweep.sweep") == 0)
    eventually(lambda: _is_careful(stack) == (reason == DIED))
    assert "ERROR" not in worker.log


def _is_careful(stack: ServerStack) -> bool:
    with stack.store.transaction() as connection:
        return (
            connection.execute(select(alarm.c.id).where(alarm.c.until > clock())).first()
            is not None
        )
