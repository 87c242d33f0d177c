"""A Redis master, a replica, and three sentinels that make the one take the other's place."""

from __future__ import annotations

import contextlib
import itertools
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import redis

from tests.servers.certificates import Certificates
from tests.servers.processes import ServerMissing, wait_until
from tests.servers.redis import Redis
from tests.servers.server import Server

MASTER = "tags-master"
#: for how long a server must be silent till the sentinels replace it, in milliseconds
DOWN_MS = 500


@dataclass(frozen=True)
class Access:
    """What the servers ask of their clients, and of each other."""

    password: str = ""  #: of master and replica
    sentinel_password: str = ""
    certificates: Certificates | None = None  #: with them, nothing but TLS is spoken

    def client(self, port: int, password: str, database: int = 0) -> redis.Redis:
        """Return a client of the server at a port."""
        return redis.Redis(
            "127.0.0.1", port, db=database, password=password or None, socket_timeout=2, **self.tls
        )

    @property
    def tls(self) -> dict[str, Any]:
        """What redis-py needs for it."""
        if self.certificates is None:
            return {}
        return {"ssl": True, "ssl_ca_certs": str(self.certificates.authority)}

    def lines(self, port: int) -> dict[str, str]:
        """Return the parameters of a server, or of a sentinel, at a port."""
        found = self.certificates
        if found is None:
            return {"port": str(port)}
        files = {"cert": found.certificate, "key": found.key, "ca-cert": found.authority}
        named = {f"tls-{name}-file": str(path) for name, path in files.items()}
        spoken = {"port": "0", "tls-port": str(port), "tls-replication": "yes"}
        return {**spoken, "tls-auth-clients": "no", **named}


class _Redis(Redis):
    """A master or a replica."""

    def __init__(self, access: Access) -> None:
        super().__init__(appendonly=True)
        self._access = access
        self.settings = access.lines(self.port)
        if access.password:
            self.settings |= {"requirepass": access.password, "masterauth": access.password}

    def client(self) -> redis.Redis:
        """Return a client of it."""
        return self._access.client(self.port, self._access.password)

    def answers(self) -> bool:
        """Return whether the data are loaded."""
        return _pings(self.client())


class _Sentinel(Server):
    """One sentinel."""

    def __init__(self, watched: Redis, access: Access) -> None:
        super().__init__()
        self._watched = watched
        self._access = access
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
            *(f"{name} {value}" for name, value in self._access.lines(self.port).items()),
            f"sentinel monitor {MASTER} 127.0.0.1 {self._watched.port} 2",
            f"sentinel down-after-milliseconds {MASTER} {DOWN_MS}",
            f"sentinel failover-timeout {MASTER} 3000",
        ]
        if self._access.password:
            lines.append(f"sentinel auth-pass {MASTER} {self._access.password}")
        if self._access.sentinel_password:
            lines.append(f"requirepass {self._access.sentinel_password}")
        (self.folder / "sentinel.conf").write_text("\n".join(lines) + "\n")

    def command(self) -> Sequence[str | Path]:
        """Run on that configuration."""
        return [self._program, self.folder / "sentinel.conf", "--sentinel"]

    def client(self) -> redis.Redis:
        """Return a client of it."""
        return self._access.client(self.port, self._access.sentinel_password)

    def answers(self) -> bool:
        """Return whether it is there."""
        return _pings(self.client())


def _pings(client: redis.Redis) -> bool:
    with client, contextlib.suppress(redis.RedisError):
        return bool(client.ping())
    return False


class Sentinel:
    """The whole of them, each on a loopback port of its own."""

    def __init__(self, access: Access | None = None) -> None:
        self.access = access or Access()
        self.servers = [_Redis(self.access), _Redis(self.access)]
        self.sentinels = [_Sentinel(self.servers[0], self.access) for _ in range(3)]
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
        spoken = {"socket_timeout": 2, **self.access.tls}
        known = kind(
            [("127.0.0.1", one.port) for one in self.sentinels],
            sentinel_kwargs={**spoken, "password": self.access.sentinel_password or None},
            password=self.access.password or None,
            **spoken,
        )
        found: redis.Redis = known.master_for(MASTER, db=database)
        return found

    def master(self) -> _Redis:
        """Return the server that is the master now."""
        with self.sentinels[0].client() as client:
            _, port = client.sentinel_get_master_addr_by_name(MASTER)
        return next(one for one in self.servers if one.port == int(port))

    def kill_master(self) -> _Redis:
        """Kill the master with signal 9; return once another is there."""
        old = self.master()
        old.kill()
        assert wait_until(lambda: self._serves(old), seconds=30)
        return old

    def __enter__(self) -> Self:
        for server in self.servers:
            server.start()
        with self.servers[1].client() as client:
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
        login = f":{quote(self.access.password, safe='')}@" if self.access.password else ""
        members = [f"sentinel://{login}127.0.0.1:{one.port}" for one in self.sentinels]
        found = self.access.certificates
        query = f"?ssl_ca_certs={quote(str(found.authority))}" if found else ""
        return ";".join(members) + f"/{number}{query}"

    def _serves(self, old: Redis) -> bool:
        with contextlib.suppress(redis.RedisError):
            found = self.master()
            with found.client() as client:
                return found is not old and client.role()[0] == b"master"
        return False

    def _replicates(self) -> bool:
        with self.servers[1].client() as client:
            info: Any = client.info("replication")
        return bool(info["master_link_status"] == "up")

    def _know_each_other(self) -> bool:
        return all(self._knows(one) for one in self.sentinels)

    def _knows(self, sentinel: _Sentinel) -> bool:
        with sentinel.client() as client:
            state: Any = client.sentinel_master(MASTER)
        return int(state["num-other-sentinels"]) == 2 and int(state["num-slaves"]) == 1


@contextlib.contextmanager
def running(access: Access | None = None) -> Iterator[Sentinel]:
    """Give a running set of them."""
    with Sentinel(access) as found:
        yield found
