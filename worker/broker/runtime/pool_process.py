"""What a pool process does first and last.

First it lets go of the connections that its parent has. While a child holds them, the broker does
not notice that the parent was killed: Redis hands further messages to the dead, where they are
lost, and RabbitMQ gives nobody else those it had.
"""

from __future__ import annotations

import os
import socket
import stat
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from celery import signals

from tagsweep.worker import parent_watch

_INTERNET = (socket.AF_INET, socket.AF_INET6)

#: set in a pool process
in_pool = threading.Event()
#: the process id of the worker whose pool processes are forked from here
_workers: list[int] = []
#: what a pool process does last
at_end: list[Callable[[], object]] = []


def attach() -> None:
    """Let every pool process of this worker do it."""
    signals.worker_init.connect(_note_worker, weak=False)
    signals.worker_process_init.connect(_begin, weak=False)
    signals.worker_process_shutdown.connect(_end, weak=False)


def _note_worker(**_: Any) -> None:
    _workers.append(os.getpid())


def _begin(**_: Any) -> None:
    worker = _workers[-1] if _workers else os.getppid()  # not forked, it has no list
    if worker != os.getpid():  # a worker without processes says this of itself
        parent_watch.begin(worker)
    _let_go()
    in_pool.set()


def _end(**_: Any) -> None:
    for last in at_end:
        last()


def _let_go() -> None:
    """Put nothing in the place of each connection to a server: its number stays taken.

    Closed, it would be given to a connection of this process's own, which the parent's object
    would close when it is collected here.
    """
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for entry in Path("/dev/fd").iterdir():
        with suppress(OSError):  # the listing's own is closed by now
            if _leads_to_a_server(int(entry.name)):
                os.dup2(nothing, int(entry.name), inheritable=False)
    os.close(nothing)


def _leads_to_a_server(number: int) -> bool:
    if not stat.S_ISSOCK(os.fstat(number).st_mode):
        return False
    with socket.socket(fileno=os.dup(number)) as found:
        if found.type != socket.SOCK_STREAM:
            return False
        # a server's own socket has a name, those between parent and child have none
        is_named = found.family == socket.AF_UNIX and bool(found.getpeername())
        return is_named or found.family in _INTERNET
