"""Processes that end with the tests at the latest."""

import atexit
import contextlib
import functools
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, TypedDict

import psutil

from tests.servers import reaper

KILL_TIMEOUT_S = 20


class ServerMissing(Exception):
    """The server is not installed on this machine."""


class ServerFailed(RuntimeError):
    """The server ended or stayed silent instead of answering; carries the end of its log."""


def free_port() -> int:
    """Return a loopback port nobody listens on, below the range of outgoing connections.

    A port from that range could be taken by an outgoing connection while its server is down: even
    by one to that very port, which then talks to itself. The server could not come back.
    """
    while True:
        port = random.randint(20_000, 32_000)  # noqa: S311 - no secret
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@functools.cache
def _reaper() -> IO[str]:
    process = subprocess.Popen(
        [sys.executable, "-I", reaper.__file__],
        stdin=subprocess.PIPE,
        text=True,
        bufsize=1,
        start_new_session=True,
    )
    orders = process.stdin
    if orders is None:
        raise ServerFailed("no pipe to the reaper")

    def finish() -> None:
        orders.close()
        process.wait()

    atexit.register(finish)
    return orders


def spawn(
    command: Sequence[str | Path],
    *,
    folder: Path,
    environment: Mapping[str, str],
    user: int | None = None,
) -> subprocess.Popen[bytes]:
    """Start a process that ends with the tests at the latest; it writes to the folder's ``log``."""
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            **identity(user),
        )
    print(f"watch {process.pid}", file=_reaper())
    return process


class Identity(TypedDict, total=False):
    """The arguments of subprocess that make a child another user."""

    user: int
    group: int
    extra_groups: list[str | int]


def identity(user: int | None) -> Identity:
    """Return what makes a child that user, with its own group alone; nothing for None."""
    return {} if user is None else {"user": user, "group": user, "extra_groups": []}


def remove_at_the_end(folder: Path) -> None:
    """Have a folder removed when the tests end, however they end."""
    print(f"remove {folder}", file=_reaper())


def kill_tree(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and its children with signal 9; return once all are gone."""
    # Once collected, its number may be somebody else's.
    if process.poll() is None:
        parent = psutil.Process(process.pid)
        # Stopped first: it could fork another child between the list and the signal.
        parent.suspend()
        doomed = [*parent.children(recursive=True), parent]
        for one in doomed:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        process.wait()
        wait_until(lambda: not any(map(is_alive, doomed)), seconds=KILL_TIMEOUT_S)
    print(f"forget {process.pid}", file=_reaper())


def is_alive(process: psutil.Process | int) -> bool:
    """Return whether a process runs; one that has ended and waits to be collected does not."""
    try:
        known = psutil.Process(process) if isinstance(process, int) else process
        return known.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until(condition: Callable[[], bool], *, seconds: float) -> bool:
    """Ask every 50 ms; return whether the condition came true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True
