"""`tagsweep events` through a gateway: in order, without a gap, also where it goes away."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.test_gateway import Tenant
from tests.support.gateway import Gateway


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    """`tagsweep up`, for a test that may kill it."""
    gateway = Gateway(tmp_path, {"database_url": f"sqlite:///{tmp_path / 'tagsweep.db'}"}, "up")
    try:
        gateway.wait()
        yield gateway
    finally:
        gateway.close()


def made(tenant: Tenant) -> str:
    """Run a job and return its id."""
    job_id: str = tenant.detach("--json").json["job_id"]
    return job_id


def subjects(text: str) -> list[str]:
    return [json.loads(line)["subject"] for line in text.splitlines()]


@pytest.mark.slow
def test_events_are_the_tenants_alone_and_end_where_the_feed_does(
    up_gateway: Gateway, tmp_path: Path
) -> None:
    tenant, other = Tenant(up_gateway, tmp_path), Tenant(up_gateway, tmp_path)
    assert tenant.run("events").out == ""
    jobs = [made(tenant), made(tenant)]
    made(other)
    started = time.monotonic()
    assert subjects(tenant.run("events").out) == jobs
    assert time.monotonic() - started < 5
    assert subjects(tenant.run("events", "--since", "1h").out) == jobs
    assert tenant.run("events", "--since", "2999-01-01T00:00:00Z").out == ""


@pytest.mark.slow
def test_following_goes_on_where_a_gateway_that_was_killed_left_off(
    gateway: Gateway, tmp_path: Path
) -> None:
    tenant = Tenant(gateway, tmp_path)
    first = made(tenant)
    with tenant.run.started("events", "--follow") as following:
        assert following.stdout is not None
        assert subjects(following.stdout.readline()) == [first]
        gateway.kill()
        gateway.process = gateway._spawn()
        gateway.wait()
        second = made(tenant)
        assert subjects(following.stdout.readline()) == [second]
        following.send_signal(signal.SIGINT)
        out, err = following.communicate(timeout=10)
    assert (following.returncode, out) == (0, "")
    assert all("Trying again." in line for line in err.splitlines())


@pytest.mark.slow
def test_a_reader_who_leaves_ends_it_quietly(up_gateway: Gateway, tmp_path: Path) -> None:
    tenant = Tenant(up_gateway, tmp_path)
    made(tenant)
    with tenant.run.started("events", "--follow") as following:
        assert following.stdout is not None
        assert following.stderr is not None
        following.stdout.readline()
        following.stdout.close()
        assert following.wait(timeout=10) == 0
        assert following.stderr.read() == ""
