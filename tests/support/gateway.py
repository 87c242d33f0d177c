"""Gateways as processes of their own, and clients that know nothing of ours."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tagsweep.producer.gateway.auth import credentials
from tagsweep.producer.gateway.auth.credentials import Created
from tagsweep.producer.gateway.auth.grants import Grant
from tagsweep.worker import settings
from tests.servers import Postgres, Redis
from tests.servers.processes import free_port, kill_tree, spawn, wait_until
from tests.support import configurations
from tests.support.stack import (
    PATIENCE_S,
    ServerStack,
    environment,
    eventually,
)
from tests.support.stores import Store

GRANT = {field.name for field in fields(Grant)}
SECRET_KEY = "only-for-tests-0123456789abcdef-0123456789abcdef"


class Gateway:
    """A process of ``tagsweep serve`` or ``tagsweep up``, which a test may kill."""

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, object],
        *command: str,
        program: Sequence[str] = ("tagsweep.producer.cli",),
    ) -> None:
        self.folder = folder / f"gateway-{uuid4().hex[:8]}"
        self.folder.mkdir(parents=True)
        self.port = free_port()
        self.settings = {"secret_key": SECRET_KEY, **settings}
        self.store = Store(str(self.settings["database_url"]))
        self._command = [
            sys.executable,
            "-m",
            *program,
            *command,
            "--port",
            str(self.port),
        ]
        self.process: subprocess.Popen[bytes] = self._spawn()

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What it has written so far."""
        return (self.folder / "log").read_text(errors="replace")

    def wait(self) -> None:
        """Return once it serves; raise with its log where it does not."""
        ended = self.process.poll
        ready = wait_until(lambda: self._serves() or ended() is not None, seconds=PATIENCE_S)
        if not ready or ended() is not None:
            raise RuntimeError(f"The gateway did not start:\n{self.log[-3000:]}")

    def credential(self, tenant: str, *, signing: bool = False, **grant: Any) -> Created:
        """Make a credential."""
        with self.store.transaction() as connection, pytest.MonkeyPatch.context() as patch:
            if signing:  # the one that needs a setting of this very process
                patch.setattr(settings, "load", _settings)
            return credentials.create(connection, Grant(tenant, signing=signing, **grant))

    def client(self, tenant: str, **options: Any) -> httpx.Client:
        """Return an HTTP client with a key of the tenant; ``options``: of httpx, or of the key."""
        rights = {name: options.pop(name) for name in GRANT if name in options}
        key = self.credential(tenant, **rights).key
        headers = {"x-api-key": key, "X-Auth-Token": key, **options.pop("headers", {})}
        return _Client(base_url=self.url, headers=headers, timeout=60, **options)

    def kill(self) -> None:
        """Kill it with signal 9."""
        kill_tree(self.process)

    def close(self) -> None:
        """Kill it, and let go of the store."""
        self.kill()
        self.store.close()

    def _spawn(self) -> subprocess.Popen[bytes]:
        return spawn(self._command, folder=self.folder, environment=environment(**self.settings))

    def _serves(self) -> bool:
        try:
            return httpx.get(f"{self.url}/healthz").status_code == 200
        except httpx.TransportError:
            return False


def _settings() -> Any:
    return settings.Settings(secret_key=SECRET_KEY)  # type: ignore[arg-type]  # pydantic hides it


class _Client(httpx.Client):
    """Gives the lists of jobs as the tables in use have them."""

    def build_request(self, method: str, url: Any, **given: Any) -> httpx.Request:
        """Return a request."""
        if isinstance(given.get("json"), dict):
            given["json"] = configurations.active().tables.body(given["json"])
        return super().build_request(method, url, **given)


@contextmanager
def serving(stack: ServerStack, **settings: object) -> Iterator[Gateway]:
    """Run ``tagsweep serve`` on the stack's servers, with settings of its own."""
    gateway = Gateway(stack.folder, {**stack.settings, **settings}, "serve")
    try:
        gateway.wait()
        yield gateway
    finally:
        gateway.close()


@pytest.fixture(scope="session")
def redis_gateway(redis_stack: ServerStack) -> Iterator[Gateway]:
    """A gateway on PostgreSQL and Redis, with workers; not to be killed."""
    with serving(redis_stack) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def amqp_gateway(amqp_stack: ServerStack) -> Iterator[Gateway]:
    """A gateway on PostgreSQL and RabbitMQ, with workers; not to be killed."""
    with serving(amqp_stack) as gateway:
        yield gateway


@contextmanager
def up(folder: Path) -> Iterator[Gateway]:
    """Run ``tagsweep up``: SQLite, memory://, gateway and worker in one process."""
    gateway = Gateway(folder, {"database_url": f"sqlite:///{folder / 'tagsweep.db'}"}, "up")
    try:
        gateway.wait()
        yield gateway
    finally:
        gateway.close()


@pytest.fixture(scope="session")
def up_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Give one that is not to be killed."""
    with up(tmp_path_factory.mktemp("up")) as gateway:
        yield gateway


@pytest.fixture
def idle_stack(
    postgres_server: Postgres, postgres_template: str, redis_server: Redis, tmp_path: Path
) -> Iterator[ServerStack]:
    """PostgreSQL and Redis of this test alone, with no worker yet."""
    url = postgres_server.create_database(postgres_template)
    stack = ServerStack("redis", tmp_path, url, redis_server.create_database())
    try:
        yield stack
    finally:
        stack.close()
        postgres_server.drop_database(url)


@pytest.fixture
def idle_gateway(idle_stack: ServerStack) -> Iterator[Gateway]:
    """A gateway that leaves all to workers, with none behind it yet."""
    with serving(idle_stack, inline_items=0) as gateway:
        yield gateway


@pytest.fixture(params=["redis", "amqp", "up"])
def gateway(request: pytest.FixtureRequest) -> Gateway:
    """Each of the three gateways: the contracts are the same on all of them."""
    found: Gateway = request.getfixturevalue(f"{request.param}_gateway")
    return found


def ended(client: httpx.Client, location: str) -> dict[str, Any]:
    """Wait till the job at ``location`` has ended, and return it."""

    def look() -> dict[str, Any] | None:
        job: dict[str, Any] = client.get(location).json()
        return job if job["status"] not in ("queued", "running") else None

    found: dict[str, Any] = eventually(look)
    return found
