"""A gateway that is told to stop: not ready first, then closed, and nothing of it lives on."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator

import httpx
import psutil
import pytest

from tests.servers.processes import is_alive
from tests.support.gateway import Gateway, serving
from tests.support.stack import ServerStack, eventually
from tests.support.stores import new_ids, new_tenant

pytestmark = pytest.mark.integration

DRAIN_S = 3


@pytest.fixture
def gateway(redis_stack: ServerStack) -> Iterator[Gateway]:
    """A gateway of this test alone."""
    with serving(redis_stack, drain_s=DRAIN_S) as gateway:
        yield gateway


@pytest.fixture
def patient(redis_stack: ServerStack) -> Iterator[Gateway]:
    """A gateway that would serve on for long."""
    with serving(redis_stack, drain_s=60) as gateway:
        yield gateway


def _ready(gateway: Gateway) -> int | None:
    try:
        return httpx.get(f"{gateway.url}/readyz").status_code
    except httpx.TransportError:
        return None


@pytest.mark.slow
def test_it_serves_on_for_a_while_and_says_that_it_is_not_ready(gateway: Gateway) -> None:
    with gateway.client(new_tenant()) as client:
        assert _ready(gateway) == 200
        told_at = time.monotonic()
        gateway.process.terminate()
        eventually(lambda: _ready(gateway) == 503, seconds=DRAIN_S)
        assert "is stopping" in client.get("/readyz").json()["detail"]
        answer = client.post("/api/v1/tags/detach/", json={"names": ["n"], "tables": new_ids(1)})
        assert answer.status_code == 200
    assert gateway.process.wait(DRAIN_S + 10) == -signal.SIGTERM
    assert time.monotonic() - told_at >= DRAIN_S
    assert _ready(gateway) is None


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_at_once(patient: Gateway, second: signal.Signals) -> None:
    patient.process.terminate()
    eventually(lambda: _ready(patient) == 503)
    patient.process.send_signal(second)
    assert patient.process.wait(10) == -second


@pytest.mark.slow
def test_ctrl_c_does_not_wait_for_others_to_notice(patient: Gateway) -> None:
    patient.process.send_signal(signal.SIGINT)
    assert patient.process.wait(20) == 0


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_no_process_that_reads_bodies_outlives_it(
    redis_stack: ServerStack, how: signal.Signals
) -> None:
    with serving(redis_stack) as gateway, gateway.client(new_tenant()) as client:
        body = {"names": ["n"], "tables": new_ids(1_000)}
        long = {"Content-Type": "application/json"}
        answer = client.post("/api/v1/tags/detach/", content=json.dumps(body), headers=long)
        assert answer.status_code == 200
        children = psutil.Process(gateway.process.pid).children(recursive=True)
        assert children
        gateway.process.send_signal(how)
        gateway.process.wait(20)
        eventually(lambda: not any(map(is_alive, children)), seconds=5)
