"""Stacks that a scenario may break: a database and a broker of its own each time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.servers import NamedRabbitMQ, Postgres, RabbitMQ, Redis
from tests.support.stack import ServerStack

HERE = Path(__file__).parent
MakeStack = Callable[..., ServerStack]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every scenario, and give it the time that a busy machine needs."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.chaos)
            item.add_marker(pytest.mark.integration)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(600))


@pytest.fixture
def make_stack(
    postgres_server: Postgres, postgres_template: str, tmp_path: Path
) -> Iterator[MakeStack]:
    """Make stacks on the broker given, each with a store of its own, workers still to be started.

    ``database_url``: a store on a server that the test may kill.
    """
    stacks: list[ServerStack] = []
    made: list[str] = []

    def make(broker_url: str, database_url: str | None = None, **settings: object) -> ServerStack:
        if database_url is None:
            database_url = postgres_server.create_database(postgres_template)
            made.append(database_url)
        name = f"stack-{len(stacks)}"
        stack = ServerStack(name, tmp_path / name, database_url, broker_url)
        stack.settings |= settings
        stacks.append(stack)
        return stack

    yield make
    for stack in stacks:
        stack.close()
    for url in made:
        postgres_server.drop_database(url)


@pytest.fixture(params=["redis", "amqp"])
def any_broker(request: pytest.FixtureRequest) -> str:
    """The URL of each kind of broker, empty, on a server that other tests use too."""
    if request.param == "redis":
        redis: Redis = request.getfixturevalue("redis_server")
        return redis.create_database()
    rabbitmq: RabbitMQ | NamedRabbitMQ = request.getfixturevalue("rabbitmq_server")
    return rabbitmq.create_vhost()
