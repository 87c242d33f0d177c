"""A private PgBouncer before a PostgreSQL of the tests."""

import os
import pwd
import shutil
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from tests.servers.postgres import NOBODY
from tests.servers.processes import ServerMissing
from tests.servers.server import Server


class PgBouncer(Server):
    """PgBouncer as its package sets it up, but for where it listens and whom it lets in.

    Args:
        server: Where the PostgreSQL is, as its URL has it.
        pool_mode: ``transaction``, ``session`` or ``statement``.
        pool_size: Connections to the server, for each database.
        settings: More of pgbouncer.ini.
    """

    def __init__(
        self,
        server: str,
        *,
        pool_mode: str = "transaction",
        pool_size: int = 20,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        self._server = urlsplit(server)
        self._settings = {
            "pool_mode": pool_mode,
            "default_pool_size": str(pool_size),
            **(settings or {}),
        }
        self._program = Path()

    @property
    def url(self) -> str:
        """PostgreSQL's maintenance database through it; tests want ``before``."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def before(self, url: str) -> str:
        """Return the URL of a database of the server, through the pooler."""
        return self.url.removesuffix("/postgres") + urlsplit(url).path

    def find(self) -> None:
        """Take the PgBouncer installed."""
        found = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
        if found is None:
            raise ServerMissing("PgBouncer is not installed")
        self._program = Path(found)

    def prepare(self) -> None:
        """Write its file; as root for another user, because PgBouncer refuses to run as root."""
        if os.geteuid() == 0:
            self.user = _unprivileged()
            os.chown(self.folder, self.user, self.user)
        listening = {
            "listen_addr": "127.0.0.1",
            "listen_port": str(self.port),
            "unix_socket_dir": "",
            "auth_type": "any",
            "max_client_conn": "500",
        }
        lines = [
            "[databases]",
            f"* = host=127.0.0.1 port={self._server.port} user=postgres",
            "[pgbouncer]",
            *(f"{name} = {value}" for name, value in {**listening, **self._settings}.items()),
        ]
        (self.folder / "pgbouncer.ini").write_text("\n".join(lines) + "\n")

    def command(self) -> Sequence[str | Path]:
        """Stay in the foreground."""
        return [self._program, "pgbouncer.ini"]

    def answers(self) -> bool:
        """Return whether it listens."""
        socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
        return True


def _unprivileged() -> int:
    try:
        return pwd.getpwnam("postgres").pw_uid
    except KeyError:
        return NOBODY
