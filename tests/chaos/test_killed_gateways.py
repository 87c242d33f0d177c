"""Gateways killed with signal 9, over and over, while clients call them: each call is done once."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import httpx
import pytest

from tests.chaos import scale
from tests.chaos.conftest import MakeStack
from tests.chaos.model import Errand, World
from tests.chaos.monkey import at_large
from tests.servers import Redis
from tests.support.gateway import Gateway
from tests.support.stack import ServerStack, eventually

pytestmark = pytest.mark.slow

KILLS = scale.pick(short=6, long=60)
#: calls at once: those that a gateway has in hand become one batch
BURST = 16
WAIT_S = 20


class Gateways:
    """Two gateways, of which one is killed at a time, and replaced."""

    def __init__(self, stack: ServerStack, draw: random.Random) -> None:
        self._stack = stack
        self._draw = draw
        self._running = [self._new(), self._new()]

    def _new(self) -> Gateway:
        gateway = Gateway(self._stack.folder, self._stack.settings, "serve")
        gateway.wait()
        return gateway

    def kill(self) -> None:
        """Kill one with signal 9, and start another in its place."""
        place = self._draw.randrange(len(self._running))
        self._running[place].close()
        self._running[place] = self._new()

    def key(self, tenant: str) -> str:
        """Return a key of the tenant, which all gateways take."""
        return self._running[0].credential(tenant).key

    def call(self, errand: Errand, key: str) -> str:
        """Have a job done, whoever is killed: call again until there is an answer; return its id.

        The same Idempotency-Key each time: what a killed gateway has done is not done again.
        """
        turns = itertools.count(int(errand.id[0], 16))
        return str(eventually(lambda: self._answered(next(turns), errand, key), seconds=60))

    def _answered(self, turn: int, errand: Errand, key: str) -> str | None:
        gateway = self._running[turn % len(self._running)]
        headers = {"x-api-key": key, "Idempotency-Key": errand.id, "Prefer": f"wait={WAIT_S}"}
        url = f"{gateway.url}/api/v1/jobs/"
        body = {"kind": errand.kind, **errand.body}
        try:
            answer = httpx.post(url, json=body, headers=headers, timeout=60)
        except httpx.TransportError:
            return None
        if answer.status_code == 503 or "it is not known whether" in answer.text:
            return None  # the machine was too busy for the time that a gateway gives the store
        assert answer.is_success, answer.text
        return str(answer.json()["id"])

    def close(self) -> None:
        """Kill both."""
        for gateway in self._running:
            gateway.close()


@contextmanager
def _gateways(stack: ServerStack) -> Iterator[Gateways]:
    gateways = Gateways(stack, scale.draw("victims"))
    try:
        yield gateways
    finally:
        gateways.close()


def test_whatever_gateway_is_killed_each_call_is_done_once(
    make_stack: MakeStack, redis_server: Redis
) -> None:
    draw = scale.draw("gateways")
    stack = make_stack(redis_server.create_database(), visibility_s=3)
    stack.start_worker()
    world = World(stack.store, draw)
    with _gateways(stack) as gateways, ThreadPoolExecutor(BURST) as clients:
        keys = {tenant: gateways.key(tenant) for tenant in world.tenants}

        def call(errand: Errand) -> Errand:
            return replace(errand, id=gateways.call(errand, keys[errand.body["tenant"]]))

        with at_large(gateways.kill, scale.draw("pauses between gateways")) as loose:
            while loose.acts < KILLS and loose.failure is None:
                begun = len(world.errands)
                for _ in range(BURST):
                    make = draw.choice([world.detach, world.detach, world.attach, world.delete])
                    make(draw.choice(world.tenants), draw.randint(1, 12))
                world.errands[begun:] = clients.map(call, world.errands[begun:])
    world.wait(seconds=60)
    world.check(stack._events.all())
