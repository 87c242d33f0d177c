"""Fixtures of stores and stacks: real servers underneath, a fresh tenant for each test."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tagsweep import TagSweep
from tagsweep.worker import database, settings
from tagsweep.worker.broker import app, canvas
from tagsweep.worker.database import pruning, schema
from tagsweep.worker.events import amqp_exchange, redis_stream
from tagsweep.worker.mapping import file, resolving
from tests.servers import NamedRabbitMQ, Postgres, RabbitMQ, Redis
from tests.support import configurations
from tests.support.embedded import EmbeddedStack
from tests.support.stack import ServerStack, Stack, close
from tests.support.stores import Store, new_tenant


def forget() -> None:
    """Drop what this process keeps of the settings: the next call reads the environment anew."""
    pruning.end()
    for engine in database.engine.forget():
        engine.dispose()
    for one in (*canvas._sender.forget(), *app.app.forget()):
        one.close()
    for client in redis_stream._client.forget():
        client.close()
    while amqp_exchange._publishers:
        amqp_exchange._publishers.popitem()[1]._drop()
    settings.load.cache_clear()
    file.load.cache_clear()
    resolving._selected.cache_clear()


@contextmanager
def configured(**values: object) -> Iterator[None]:
    """Give this very process these settings and no others, as its environment would."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("TAGSWEEP_")]:
            if not name.startswith("TAGSWEEP_TEST_"):
                patch.delenv(name)
        for name, value in configurations.active().settings(values).items():
            patch.setenv(f"TAGSWEEP_{name.upper()}", str(value))
        forget()
        yield
        forget()


@pytest.fixture
def tenant() -> str:
    """A tenant that no other test knows."""
    return new_tenant()


@pytest.fixture(scope="session")
def postgres_template(postgres_server: Postgres) -> str:
    """The name of a PostgreSQL database with our schema and nothing in it, to be copied."""
    url = postgres_server.create_database()
    with configurations.active().as_default(), configured(database_url=url):
        schema.upgrade()
    configurations.active().prepare(url)
    return urlsplit(url).path.removeprefix("/")


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with our schema and nothing in it, to be copied."""
    path = tmp_path_factory.mktemp("template") / "tagsweep.db"
    with configured(database_url=f"sqlite:///{path}"):
        schema.upgrade()
    return path


@contextmanager
def in_this_process(url: str, **values: object) -> Iterator[Store]:
    """Give the store at ``url``, which this process works on, with these settings too."""
    with configured(database_url=url, **values):
        store = Store(url)
        yield store
        store.check()
        store.close()


@pytest.fixture
def postgres_store(postgres_server: Postgres, postgres_template: str) -> Iterator[Store]:
    """A PostgreSQL store of this test alone, which this process works on."""
    url = postgres_server.create_database(postgres_template)
    with in_this_process(url) as store:
        yield store
    postgres_server.drop_database(url)


@pytest.fixture
def sqlite_store(sqlite_template: Path, tmp_path: Path) -> Iterator[Store]:
    """A SQLite store of this test alone, which this process works on."""
    path = shutil.copy(sqlite_template, tmp_path / "tagsweep.db")
    with in_this_process(f"sqlite:///{path}") as store:
        yield store


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest) -> Store:
    """Each of the two kinds of store, which this process works on."""
    found: Store = request.getfixturevalue(f"{request.param}_store")
    return found


@contextmanager
def _running(stack: ServerStack, workers: int) -> Iterator[ServerStack]:
    try:
        for _ in range(workers):
            stack.start_worker()
        stack.wait()
        yield stack
    finally:
        stack.close()


@pytest.fixture(scope="session")
def redis_stack(
    postgres_server: Postgres,
    postgres_template: str,
    redis_server: Redis,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ServerStack]:
    """PostgreSQL, Redis and two worker processes; not to be killed."""
    database_url = postgres_server.create_database(postgres_template)
    folder = tmp_path_factory.mktemp("redis-stack")
    stack = ServerStack("redis", folder, database_url, redis_server.create_database())
    with _running(stack, workers=2):
        yield stack
        stack.store.check()


@pytest.fixture(scope="session")
def amqp_stack(
    postgres_server: Postgres,
    postgres_template: str,
    rabbitmq_server: RabbitMQ | NamedRabbitMQ,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ServerStack]:
    """PostgreSQL, RabbitMQ and two worker processes; not to be killed."""
    database_url = postgres_server.create_database(postgres_template)
    folder = tmp_path_factory.mktemp("amqp-stack")
    stack = ServerStack("amqp", folder, database_url, rabbitmq_server.create_vhost())
    with _running(stack, workers=2):
        yield stack


@pytest.fixture(scope="session")
def embedded_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStack]:
    """SQLite, memory:// and the worker in one process."""
    stack = EmbeddedStack(tmp_path_factory.mktemp("embedded-stack"))
    try:
        yield stack
    finally:
        stack.close()


@pytest.fixture(params=["redis", "amqp"])
def server_stack(request: pytest.FixtureRequest) -> ServerStack:
    """Each of the stacks with real servers."""
    found: ServerStack = request.getfixturevalue(f"{request.param}_stack")
    return found


@pytest.fixture(params=["redis", "amqp", "embedded"])
def stack(request: pytest.FixtureRequest) -> Stack:
    """Each of the three stacks: the same jobs must come to the same end on all of them."""
    found: Stack = request.getfixturevalue(f"{request.param}_stack")
    return found


@pytest.fixture
def unheard(redis_url: str) -> Iterator[TagSweep]:
    """A producer on a Redis of its own, where no worker listens."""
    sender = TagSweep(broker_url=redis_url)
    yield sender
    close(sender._app, connections=True)
