"""The private servers that everything is measured on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.servers import Postgres, Redis

# As a small server of its own would be set. Every commit is written through to the disk.
SETTINGS = {
    "shared_buffers": "2GB",
    "effective_cache_size": "8GB",
    "work_mem": "64MB",
    "maintenance_work_mem": "512MB",
    "random_page_cost": "1.1",
    "max_wal_size": "16GB",
    "min_wal_size": "4GB",  # log files are used again, as on a server that has run for a while
    "checkpoint_timeout": "30min",
    "synchronous_commit": "on",
    "jit": "on",  # the default: whoever wants it otherwise says so on its connection
}


@dataclass(frozen=True)
class Servers:
    """A PostgreSQL that writes through to the disk, and a Redis that keeps all in memory."""

    postgres: Postgres
    redis: Redis


@contextmanager
def running() -> Iterator[Servers]:
    """Start both on loopback; they end with this process at the latest."""
    with Postgres(durable=True, settings=SETTINGS) as postgres, Redis() as redis:
        yield Servers(postgres, redis)
