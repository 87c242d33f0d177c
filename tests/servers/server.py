"""What the three servers share: one process, one loopback port, one folder."""

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from tests.servers.processes import (
    ServerFailed,
    ServerMissing,
    free_port,
    identity,
    kill_tree,
    remove_at_the_end,
    spawn,
    wait_until,
)

START_TIMEOUT_S = 90
STOP_TIMEOUT_S = 20


class Server:
    """A server that a test may kill.

    Nothing exists before the first ``start``. The port and the folder stay the same until
    ``close``, which a ``with`` block calls; the data survive ``stop``, ``kill`` and ``restart``.
    """

    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self) -> None:
        self.port = free_port()
        self.user: int | None = None
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """Where clients connect."""

    @abstractmethod
    def find(self) -> None:
        """Look for the programs; raise ServerMissing where there are none."""

    @abstractmethod
    def command(self) -> Sequence[str | Path]:
        """Return the program and its arguments."""

    @abstractmethod
    def answers(self) -> bool:
        """Return whether clients are served; an OSError means not yet."""

    def is_installed(self) -> bool:
        """Return whether ``start`` will find the programs."""
        try:
            self.find()
        except ServerMissing:
            return False
        return True

    def prepare(self) -> None:
        """Lay out the folder; called once, before the first start."""

    def environment(self) -> Mapping[str, str]:
        """Return the variables of the server's process."""
        return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "HOME": str(self.folder)}

    @property
    def folder(self) -> Path:
        """The server's own folder, under the system's temporary one."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="tagsweep-")).resolve()
            remove_at_the_end(self._folder)
        return self._folder

    @property
    def pid(self) -> int | None:
        """The process id, None while the server is down."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def is_running(self) -> bool:
        """Return whether the process is there, serving or not."""
        return self.pid is not None

    def start(self) -> Self:
        """Return once clients are served; nothing happens where they are already.

        Raises:
            ServerMissing: The server is not installed.
            ServerFailed: It did not come up within START_TIMEOUT_S seconds.
        """
        if self.is_running():
            return self
        if self._folder is None:
            self.find()
            self.prepare()
        self._process = spawn(
            self.command(), folder=self.folder, environment=self.environment(), user=self.user
        )
        wait_until(lambda: not self.is_running() or self._is_up(), seconds=START_TIMEOUT_S)
        if not self.is_running() or not self._is_up():
            log = (self.folder / "log").read_text(errors="replace")
            self.kill()
            raise ServerFailed(f"{type(self).__name__} did not start:\n{log[-3000:]}")
        return self

    def stop(self) -> None:
        """End the server in good order, by force after STOP_TIMEOUT_S seconds; the data stay."""
        if self._process is not None and self.is_running():
            self._process.send_signal(self.stop_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_TIMEOUT_S)
        self.kill()

    def kill(self) -> None:
        """Kill the server and its children with signal 9, as a power cut would; the data stay."""
        if self._process is not None:
            kill_tree(self._process)
            self._process = None

    def restart(self) -> Self:
        """Stop the server if it runs, then start it on the same port with its data."""
        self.stop()
        return self.start()

    def close(self) -> None:
        """Stop the server and remove its folder."""
        self.stop()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _is_up(self) -> bool:
        try:
            return self.answers()
        except OSError:
            return False


def in_wheel(package: str, pattern: str) -> Path | None:
    """Return the first file of an installed wheel that fits, without importing the wheel."""
    found = importlib.util.find_spec(package)
    folders = (found and found.submodule_search_locations) or []
    return next((path for folder in folders for path in Path(folder).glob(pattern)), None)


def ask(port: int, question: bytes) -> bytes:
    """Return the first bytes that a server on loopback answers; raise OSError without one."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(question)
        return connection.recv(64)


def run(command: Sequence[str | Path], server: Server) -> str:
    """Run a server's own tool to its end and return what it printed; raise ServerFailed."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=server.folder,
        env=server.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        **identity(server.user),
    )
    if done.returncode:
        raise ServerFailed(f"{command[0]} failed:\n{done.stdout[-3000:]}")
    return done.stdout
