"""The servers the other tests stand on."""

import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
import redis
from kombu import Connection

from tests.conftest import OutsideConnectionError
from tests.servers import NamedRabbitMQ, Postgres, RabbitMQ, Redis
from tests.servers.processes import is_alive, wait_until


def test_every_test_has_an_empty_postgres_database(postgres_server: Postgres) -> None:
    urls = {postgres_server.create_database() for _ in range(2)}
    assert len(urls) == 2
    for url in urls:
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE tags (id int)")
        postgres_server.drop_database(url)


def test_postgres_is_set_up_for_the_tests(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        asked = "SELECT current_setting('jit'), current_setting('server_encoding')"
        assert connection.execute(asked).fetchone() == ("off", "UTF8")


def test_every_test_has_an_empty_redis_database(redis_server: Redis) -> None:
    urls = [redis_server.create_database() for _ in range(2)]
    with redis.Redis.from_url(urls[0]) as first, redis.Redis.from_url(urls[1]) as second:
        first.set("tag", "legacy")
        assert second.get("tag") is None


def test_every_test_has_a_virtual_host(
    rabbitmq_server: RabbitMQ | NamedRabbitMQ, amqp_url: str
) -> None:
    with Connection(amqp_url) as connection:
        connection.SimpleQueue("greetings").put("hello")
    if isinstance(rabbitmq_server, RabbitMQ):
        with Connection(rabbitmq_server.create_vhost()) as connection:
            assert connection.SimpleQueue("greetings").qsize() == 0


def test_a_killed_postgres_comes_back_with_its_data(own_postgres: Postgres) -> None:
    url = own_postgres.create_database()
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE tags AS SELECT 'legacy' AS name")
    own_postgres.kill()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)
    own_postgres.restart()
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT name FROM tags").fetchone() == ("legacy",)


def test_a_killed_redis_comes_back_with_its_data(own_redis: Redis) -> None:
    with redis.Redis.from_url(own_redis.url) as client:
        client.set("tag", "legacy")
    own_redis.kill()
    own_redis.restart()
    with redis.Redis.from_url(own_redis.url) as client:
        assert client.get("tag") == b"legacy"


def test_a_killed_rabbitmq_comes_back_with_its_messages(own_rabbitmq: RabbitMQ) -> None:
    url = own_rabbitmq.create_vhost()
    options = {"confirm_publish": True}
    with Connection(url, transport_options=options) as connection:
        connection.SimpleQueue("greetings").put("hello")
    own_rabbitmq.kill()
    own_rabbitmq.restart()
    with Connection(url) as connection:
        assert connection.SimpleQueue("greetings").get(timeout=10).payload == "hello"


@pytest.mark.parametrize("end", [Redis.stop, Redis.kill])
def test_a_server_is_gone_when_it_is_ended(own_redis: Redis, end: Callable[[Redis], None]) -> None:
    process = own_redis.pid
    end(own_redis)
    assert process is not None
    assert not is_alive(process)
    assert own_redis.pid is None


@pytest.mark.slow
def test_nothing_is_left_of_a_killed_test_session() -> None:
    script = """if True:
        import os
        from tests.servers import Redis
        server = Redis().start()
        print(server.pid, server.folder, flush=True)
        os.kill(os.getpid(), 9)
    """
    root = Path(__file__).parents[1]
    # The reaper holds the output open until it is done.
    session = subprocess.run(
        [sys.executable, "-c", script], cwd=root, stdout=subprocess.PIPE, text=True, check=False
    )
    process, folder = session.stdout.split()
    assert wait_until(lambda: not is_alive(int(process)), seconds=5)
    assert not Path(folder).exists()


def test_a_test_cannot_leave_the_machine() -> None:
    with socket.socket() as outside, pytest.raises(OutsideConnectionError):
        outside.connect(("192.0.2.1", 80))
