"""Real servers, private to the tests, on random loopback ports.

The programs installed are used; where there are none, those of the wheels in requirements/dev.txt.
"""

from tests.servers.pgbouncer import PgBouncer
from tests.servers.postgres import Postgres
from tests.servers.processes import ServerFailed, ServerMissing
from tests.servers.rabbitmq import NamedRabbitMQ, RabbitMQ
from tests.servers.rabbitmq_cluster import RabbitCluster
from tests.servers.redis import Redis

__all__ = [
    "NamedRabbitMQ",
    "PgBouncer",
    "Postgres",
    "RabbitCluster",
    "RabbitMQ",
    "Redis",
    "ServerFailed",
    "ServerMissing",
]
