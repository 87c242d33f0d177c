"""Fixtures for every test: real servers on loopback, and nothing but loopback."""

import ipaddress
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

import pytest

from tests.servers import NamedRabbitMQ, Postgres, RabbitMQ, Redis, ServerMissing
from tests.servers.server import Server
from tests.support import configurations, selection
from tests.support.browser import Browser

pytest_plugins = ["tests.support.fixtures", "tests.support.gateway", "tests.support.hooks"]
AnyServer = TypeVar("AnyServer", bound=Server)
WANTING = "not installed: "


class OutsideConnectionError(RuntimeError):
    """A test tried to leave the machine."""


# Ignored where a shell runs the suite in the background; whatever the tests start would inherit it.
signal.signal(signal.SIGINT, signal.default_int_handler)


def _refuse_outside(address: object) -> None:
    if not isinstance(address, tuple):
        return  # a Unix socket
    host = str(address[0])
    if host != "localhost" and not ipaddress.ip_address(host).is_loopback:
        raise OutsideConnectionError(f"tests connect to loopback only, not to {host}")


@pytest.fixture(scope="session", autouse=True)
def _loopback_only() -> Iterator[None]:
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def guarded(self: socket.socket, address: tuple[str, int]) -> None:
        _refuse_outside(address)
        connect(self, address)

    def guarded_ex(self: socket.socket, address: tuple[str, int]) -> int:
        _refuse_outside(address)
        return connect_ex(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded)
        patch.setattr(socket.socket, "connect_ex", guarded_ex)
        yield


@contextmanager
def running(server: AnyServer) -> Iterator[AnyServer]:
    """Run a server for the block; where it is not installed, skip the test (in CI: fail it)."""
    try:
        with server:
            yield server
    except ServerMissing as missing:
        wanting(missing)


def wanting(missing: ServerMissing) -> NoReturn:
    """Skip the test, which needs a program that is not installed (in CI: fail it)."""
    if os.environ.get("CI"):
        pytest.fail(f"{missing}, and CI runs every test", pytrace=False)
    pytest.skip(f"{WANTING}{missing}")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """The session's PostgreSQL; not to be killed."""
    configuration = configurations.active()
    with running(configuration.server()) as server, configuration.around(server, running):
        yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Redis]:
    """The session's Redis; not to be killed."""
    with configurations.active().redis(running) as server:
        yield server


@pytest.fixture(scope="session")
def rabbitmq_server() -> Iterator[RabbitMQ | NamedRabbitMQ]:
    """The session's RabbitMQ, or the one that TAGSWEEP_TEST_AMQP_URL names; not to be killed."""
    named = os.environ.get("TAGSWEEP_TEST_AMQP_URL")
    server = configurations.active().rabbitmq()
    if named and not server.is_installed():
        yield NamedRabbitMQ(named)
        return
    with running(server):
        yield server


@pytest.fixture
def postgres_url(postgres_server: Postgres) -> Iterator[str]:
    """An empty PostgreSQL database of this test alone, dropped after it."""
    url = postgres_server.create_database()
    yield url
    postgres_server.drop_database(url)


@pytest.fixture
def redis_url(redis_server: Redis) -> str:
    """An empty Redis database of this test alone."""
    return redis_server.create_database()


@pytest.fixture
def amqp_url(rabbitmq_server: RabbitMQ | NamedRabbitMQ) -> str:
    """An empty virtual host of this test alone (a shared one where the server is a named one)."""
    return rabbitmq_server.create_vhost()


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Browser:
    """Chromium, which reaches loopback alone."""
    try:
        return Browser(tmp_path_factory.mktemp("browser"))
    except ServerMissing as missing:
        wanting(missing)


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """A running PostgreSQL that the test may kill."""
    with running(Postgres()) as server:
        yield server


@pytest.fixture
def own_redis() -> Iterator[Redis]:
    """A running Redis that the test may kill; it keeps its data."""
    with running(Redis(appendonly=True)) as server:
        yield server


@pytest.fixture
def own_rabbitmq() -> Iterator[RabbitMQ]:
    """A running RabbitMQ that the test may kill."""
    with running(RabbitMQ()) as server:
        yield server


#: by marker: a test that uses one of these fixtures, or has one of these parameters, bears it
MARKERS = {
    "rabbitmq": {"rabbitmq_server", "own_rabbitmq", "amqp"},
    "sqlite": {"sqlite_template", "embedded_stack", "sqlite", "embedded", "up"},
    "own_server": {"own_postgres", "own_redis", "own_rabbitmq"},
}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark each test by the servers it needs; leave out what does not meet the configuration."""
    for item in items:
        used = selection.fixtures(item) | selection.parameters(item)
        for name, uses in MARKERS.items():
            if used & uses:
                item.add_marker(name)
    selection.choose(config, items)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Hear from a worker of xdist what it has left out."""
    if told := getattr(node, "workeroutput", {}).get(selection.LEFT_OUT):
        selection.heard(node.config, told)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell in one line each which tests did not run, and why."""
    if left_out := selection.summary(terminalreporter.config):
        terminalreporter.write_line(left_out)
    reasons = [
        report.longrepr[2].partition(WANTING)[2]
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple) and WANTING in report.longrepr[2]
    ]
    if reasons:
        told = " ".join(f"{reason}." for reason in sorted(set(reasons)))
        terminalreporter.write_line(f"Tests not run for want of a program: {len(reasons)}. {told}")
