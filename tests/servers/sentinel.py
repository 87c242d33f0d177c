"""A Redis master, a replica, and three sentinels that make the one take the other's place."""

from __future__ import annotations

import contextlib
import itertools
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import redis

from tests.servers.processes import ServerMissing, wait_until
from tests.servers.redis import Redis
from tests.servers.server import Server, ask

MASTER = "tags-master"
#: for how long a server must be silent till the sentinels replace it, in milliseconds
DOWN_MS = 500


class _Sentinel(Server):
    """One sentinel."""

    def __init__(self, watched: Redis) -> None:
        super().__init__()
        self._watched = watched
        self._program = Path()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"sentinel://127.0.0.1:{self.port}"

    def find(self) -> None:
        """Take the Redis installed: its server is a sentinel too."""
        found = shutil.which("redis-server") or shutil.which("valkey-server")
        if found is None:
            raise ServerMissing("Redis Sentinel is not installed")
        self._program = Path(found)

    def prepare(self) -> None:
        """Write the configuration, which the sentinel itself goes on writing."""
        lines = [
            "bind 127.0.0.1",
            f"port {self.port}",
            f"sentinel monitor {MASTER} 127.0.0.1 {self._watched.port} 2",
            f"sentinel down-after-milliseconds {MASTER} {DOWN_MS}",
            f"sentinel failover-timeout {MASTER} 3000",
        ]
        (self.folder / "sentinel.conf").write_text("\n".join(lines) + "\n")

    def command(self) -> Sequence[str | Path]:
        """Run on that configuration."""
        return [self._program, self.folder / "sentinel.conf", "--sentinel"]

    def answers(self) -> bool:
        """Return whether it is there."""
        return ask(self.port, b"PING\r\n").startswith(b"+PONG")


class Sentinel:
    """The whole of them, each on a loopback port of its own."""

    def __init__(self) -> None:
        self.servers = [Redis(appendonly=True), Redis(appendonly=True)]
        self.sentinels = [_Sentinel(self.servers[0]) for _ in range(3)]
        self._numbers = itertools.cycle(range(1, Redis.databases))

    @property
    def url(self) -> str:
        """Database 0, by way of all sentinels."""
        return self._url(0)

    def create_database(self) -> str:
        """Return the URL of an emptied database."""
        number = next(self._numbers)
        with self.client(number) as client:
            client.flushdb()
        return self._url(number)

    def client(self, database: int = 0) -> redis.Redis:
        """Return a client of the master there is at the time of each connection."""
        kind: Any = redis.Sentinel
        known = kind([("127.0.0.1", one.port) for one in self.sentinels], socket_timeout=2)
        found: redis.Redis = known.master_for(MASTER, db=database, socket_timeout=2)
        return found

    def master(self) -> Redis:
        """Return the server that is the master now."""
        with redis.Redis(port=self.sentinels[0].port) as client:
            _, port = client.sentinel_get_master_addr_by_name(MASTER)
        return next(one for one in self.servers if one.port == int(port))

    def kill_master(self) -> Redis:
        """Kill the master with signal 9; return once another is there."""
        old = self.master()
        old.kill()
        assert wait_until(lambda: self._serves(old), seconds=30)
        return old

    def __enter__(self) -> Self:
        for server in self.servers:
            server.start()
        with redis.Redis(port=self.servers[1].port) as client:
            client.replicaof("127.0.0.1", self.servers[0].port)
        assert wait_until(self._replicates, seconds=10)
        for sentinel in self.sentinels:
            sentinel.start()
        assert wait_until(self._know_each_other, seconds=20)
        return self

    def __exit__(self, *_: object) -> None:
        for server in (*self.sentinels, *self.servers):
            server.close()

    def _url(self, number: int) -> str:
        members = [f"sentinel://127.0.0.1:{one.port}" for one in self.sentinels]
        return ";".join(members) + f"/{number}"

    def _serves(self, old: Redis) -> bool:
        with contextlib.suppress(redis.RedisError):
            found = self.master()
            with redis.Redis(port=found.port) as client:
                return found is not old and client.role()[0] == b"master"
        return False

    def _replicates(self) -> bool:
        with redis.Redis(port=self.servers[1].port) as client:
            info: Any = client.info("replication")
        return bool(info["master_link_status"] == "up")

    def _know_each_other(self) -> bool:
        return all(self._knows(one) for one in self.sentinels)

    def _knows(self, sentinel: _Sentinel) -> bool:
        with redis.Redis(port=sentinel.port) as client:
            state: Any = client.sentinel_master(MASTER)
        return int(state["num-other-sentinels"]) == 2 and int(state["num-slaves"]) == 1


@contextlib.contextmanager
def running() -> Iterator[Sentinel]:
    """Give a running set of them."""
    with Sentinel() as found:
        yield found
