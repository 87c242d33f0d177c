"""Every message once to thrice, in any order, between sweeps, cancels and recoveries."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from functools import partial
from random import Random
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.chaos import scale
from tests.chaos.model import Errand, World
from tests.fixtures import configured
from tests.listeners import RedisEvents
from tests.servers import Postgres, Redis
from tests.stores import Store
from worker import acceptance, recovery, relay, sweeping
from worker.messaging.tasks import Delivery
from worker.models.jobs import KINDS
from worker.models.parts import Part
from worker.models.resources import pack

Act = Callable[[], None]
WORDS = ("sweep", "recover", "relay")


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
        (errand.body,),
        {},
        redelivered=False,
        reply_to=None,
        correlation_id=errand.id,
    )
    return [partial(acceptance.accept, kind, delivery)]


def _parts(errand: Errand, number: int = 3) -> list[Act]:
    """Return the messages of a job that comes in parts, which overlap."""
    ids = errand.body["tables"]
    head = {"tenant": errand.body["tenant"], "names": errand.body["names"]}
    acts: list[Act] = []
    for at in range(number):
        packed = pack([*ids[at::number], *ids[:1]])
        body: dict[str, Any] = {"job_id": errand.id, "nonce": "n", "number": at, "kind": "detach"}
        body |= {"head": head, "ids": {"tables": base64.b64encode(packed).decode()}}
        body["parts"] = number if at == number - 1 else None
        task_id = str(UUID(int=UUID(errand.id).int ^ (at + 1)))
        delivery = Delivery(
            Part.task,
            task_id,
            (body,),
            {},
            redelivered=False,
            reply_to=None,
            correlation_id=task_id,
        )
        acts.append(partial(acceptance.accept_part, delivery))
    return acts


@settings(
    max_examples=scale.pick(short=15, long=200),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(seed=st.integers(0, 2**32 - 1))
def test_messages_come_once_to_thrice_in_any_order(
    world: tuple[World, RedisEvents], seed: int
) -> None:
    model, events = world
    order = Random(seed)  # noqa: S311  # an order, not a secret
    tenant = model.tenants[0]
    errands = [model.detach(tenant, 10), model.delete(tenant, 5), model.detach(tenant, 2)]
    streamed = model.detach(tenant, 9)
    messages = [act for errand in errands for act in _whole(errand)] + _parts(streamed)
    acts = [act for act in messages for _ in range(order.randint(1, 3))]
    acts += [_word(order.choice(WORDS)) for _ in range(order.randrange(20))]
    order.shuffle(acts)
    for act in acts:
        act()
    recovery.recover()
    while sweeping.apply_next():
        pass
    recovery.recover()
    model.check(events.all())


def _word(name: str) -> Act:
    if name == "sweep":
        return _sweep
    return recovery.recover if name == "recover" else _relay


def _sweep() -> None:
    sweeping.apply_next()


def _relay() -> None:
    relay.deliver()
