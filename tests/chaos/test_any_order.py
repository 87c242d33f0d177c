"""Every message once to thrice, in any order, between sweeps, cancels and recoveries."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tagsweep.worker.broker.delivery import Delivery
from tagsweep.worker.events import relay
from tagsweep.worker.models.jobs import KINDS
from tagsweep.worker.models.parts import Part
from tagsweep.worker.tasks import accept, parts, sweep
from tests.chaos import scale
from tests.chaos.model import Errand, World
from tests.servers import Postgres, Redis
from tests.support import configurations, driving
from tests.support.fixtures import configured
from tests.support.listeners import RedisEvents
from tests.support.stores import Store

pytestmark = pytest.mark.mapped

Act = Callable[[], None]
EXAMPLES = settings(
    max_examples=scale.pick(short=15, long=60),
    stateful_step_count=scale.pick(short=30, long=40),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def world(
    postgres_server: Postgres, postgres_template: str, redis_server: Redis
) -> Iterator[tuple[World, RedisEvents]]:
    """A store that this process works on, and where its events go."""
    url = postgres_server.create_database(postgres_template)
    events_url = redis_server.create_database()
    with configured(database_url=url, events_url=events_url, chunk_size=3):
        store, events = Store(url), RedisEvents(events_url)
        yield World(store, scale.draw("any order")), events
        events.close()
        store.close()
    postgres_server.drop_database(url)


def _whole(errand: Errand) -> list[Act]:
    """Return the one message of a job."""
    kind = KINDS[errand.kind]
    delivery = Delivery(
        kind.task,
        errand.id,
        (driving.body(errand.body),),
        {},
        redelivered=False,
        reply_to=None,
        correlation_id=errand.id,
    )
    return [partial(accept.accept, kind, delivery)]


def _parts(errand: Errand, number: int = 3) -> list[Act]:
    """Return the messages of a job that comes in parts, which overlap."""
    ids = errand.body["tables"]
    head = {"tenant": errand.body["tenant"], "names": errand.body["names"]}
    acts: list[Act] = []
    for at in range(number):
        packed = configurations.active().tables.packed([*ids[at::number], *ids[:1]])
        body: dict[str, Any] = {"job_id": errand.id, "nonce": "n", "number": at, "kind": "detach"}
        body |= {"head": head, "ids": {"tables": base64.b64encode(packed).decode()}}
        body["parts"] = number if at == number - 1 else None
        task_id = str(UUID(int=UUID(errand.id).int ^ (at + 1)))
        delivery = Delivery(
            Part.task,
            task_id,
            (configurations.active().tables.part(body),),
            {},
            redelivered=False,
            reply_to=None,
            correlation_id=task_id,
        )
        acts.append(partial(parts.accept, delivery))
    return acts


class AnyOrder(RuleBasedStateMachine):
    """Jobs of every kind whose messages come once to thrice, in any order; all must be done."""

    def __init__(self, model: World, events: RedisEvents) -> None:
        super().__init__()
        self.model = model
        self.events = events
        self.waiting: list[Act] = []

    @rule(
        kind=st.sampled_from(["links", "delete", "set", "stream"]),
        which=st.integers(0, 99),
        size=st.integers(1, 10),
        times=st.integers(1, 3),
    )
    def send(self, kind: str, which: int, size: int, times: int) -> None:
        """Let one more job begin its way."""
        tenant = self.model.tenants[0]
        if kind == "stream":
            messages = _parts(self.model.detach(tenant, size))
        else:
            some = self.model.on_links()
            on_workspaces = {"delete": self.model.delete, "set": self.model.set}
            make = on_workspaces.get(kind) or some[which % len(some)]
            messages = _whole(make(tenant, size))
        self.waiting += messages * times

    @precondition(lambda self: self.waiting)
    @rule(place=st.integers(0, 99))
    def deliver(self, place: int) -> None:
        """Deliver any of the messages that wait."""
        self.waiting.pop(place % len(self.waiting))()

    @rule()
    def sweep(self) -> None:
        """Apply a chunk."""
        sweep.apply_next()

    @rule()
    def recover(self) -> None:
        """Recover."""
        driving.recovered()

    @rule()
    def relay(self) -> None:
        """Publish what waits."""
        relay.deliver()

    def teardown(self) -> None:
        """Deliver what still waits, and check what has come of it all."""
        while self.waiting:
            self.waiting.pop()()
        driving.recovered()
        while sweep.apply_next():
            pass
        driving.recovered()
        self.model.check(self.events.all())


def test_messages_come_once_to_thrice_in_any_order(world: tuple[World, RedisEvents]) -> None:
    machine: Any = partial(AnyOrder, *world)
    run_state_machine_as_test(machine, settings=EXAMPLES)
