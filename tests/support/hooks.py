"""Webhooks end to end: a receiver, a worker that sends to it, and a gateway where they are made."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers import Postgres, Redis
from tests.support.gateway import SECRET_KEY, Gateway, serving
from tests.support.receivers import Receiver, receiving
from tests.support.stack import ServerStack

SETTINGS: dict[str, object] = {
    "secret_key": SECRET_KEY,
    "webhooks_private": "127.0.0.0/8",
    "webhooks_schedule_s": "0.1,0.2,0.2,0.3,0.3,0.5,0.5,0.5,0.5,0.5,0.5",
    "webhooks_timeout_s": 1,
}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver of webhooks."""
    with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def hook_stack(
    postgres_server: Postgres,
    postgres_template: str,
    redis_server: Redis,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ServerStack]:
    """PostgreSQL, Redis and a worker that sends webhooks."""
    url = postgres_server.create_database(postgres_template)
    folder = tmp_path_factory.mktemp("hooks")
    stack = ServerStack("redis", folder, url, redis_server.create_database())
    try:
        stack.start_worker(1, **SETTINGS)
        stack.wait()
        yield stack
    finally:
        stack.close()
        postgres_server.drop_database(url)


@pytest.fixture(scope="module")
def hook_gateway(hook_stack: ServerStack) -> Iterator[Gateway]:
    """A gateway of that stack."""
    with serving(hook_stack, **SETTINGS) as gateway:
        yield gateway
