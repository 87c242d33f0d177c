"""Many deliveries over many webhooks, while workers are killed: all arrive, each verified.

``TAGSWEEP_TEST_WEBHOOK_DELIVERIES=10000`` runs it at its full size.
"""

from __future__ import annotations

import os
import threading

import pytest
from sqlalchemy import func, select

from tagsweep.worker.models.tables import delivery
from tagsweep.worker.webhooks import operations
from tests.support.fixtures import configured
from tests.support.hooks import SETTINGS
from tests.support.receivers import Receiver
from tests.support.stack import ServerStack, eventually
from tests.webhooks.conftest import make

DELIVERIES = int(os.environ.get("TAGSWEEP_TEST_WEBHOOK_DELIVERIES", "1000"))
ENDPOINTS = 50
KILLS = 2
#: seconds that all of it may take at most, on a busy machine
PATIENCE_S = 90 + DELIVERIES / 20


def _waiting(stack: ServerStack) -> int:
    with stack.store.transaction() as connection:
        query = select(func.count()).where(delivery.c.state != "delivered")
        return connection.execute(query).scalar_one()


def _flap(receiver: Receiver, paths: list[str], stop: threading.Event) -> None:
    """Let some receivers fail for a moment, others then, until told to stop."""
    turn = 0
    while not stop.is_set():
        receiver.answers = dict.fromkeys(paths[turn % 5 :: 5], 503)
        turn += 1
        stop.wait(0.3)
    receiver.answers = {}


@pytest.mark.chaos
@pytest.mark.slow
@pytest.mark.default_configuration
@pytest.mark.timeout(900)
def test_all_deliveries_arrive_verified_although_workers_are_killed(
    idle_stack: ServerStack, receiver: Receiver, tenant: str
) -> None:
    paths = [f"/{number}" for number in range(ENDPOINTS)]
    with configured(**idle_stack.settings, **SETTINGS):
        hooks = {path: make(receiver, tenant, path) for path in paths}
    worker = idle_stack.start_worker(1, **SETTINGS)
    worker.wait_until_ready()
    jobs = DELIVERIES // ENDPOINTS
    sent = [idle_stack.send("tags.detach", {"tenant": tenant, "names": ["x"]}) for _ in range(jobs)]
    ids = {f"{one.id}.1" for one in sent}
    stop = threading.Event()
    flapping = threading.Thread(target=_flap, args=(receiver, paths, stop))
    flapping.start()
    for kill in range(1, KILLS + 1):
        eventually(lambda: len(receiver.arrived) > DELIVERIES * kill // (KILLS + 2), PATIENCE_S)  # noqa: B023  # called here
        worker.kill()
        worker = idle_stack.start_worker(1, **SETTINGS)
    stop.set()
    flapping.join()
    eventually(lambda: set(receiver.ids(paths[0])) >= ids, PATIENCE_S)
    eventually(lambda: not _waiting(idle_stack), PATIENCE_S)
    for path in paths:
        assert set(receiver.ids(path)) == ids, path
    assert receiver.forged == []
    with configured(**idle_stack.settings, **SETTINGS):
        shown = [operations.show(tenant, hook) for hook in hooks.values()]
    assert all(one["enabled"] and one["failing_since"] is None for one in shown)
