"""What a pool process does first and last.

First it closes the connections inherited from its parent. While a child holds them, the broker does
not notice that the parent was killed: Redis hands further messages to the dead worker, where they
are lost, and RabbitMQ does not requeue those that it had.
"""

from __future__ import annotations

import fcntl
import os
import socket
import stat
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from celery import signals

from tagsweep.worker.process import parent_watch

_INTERNET = (socket.AF_INET, socket.AF_INET6)


class Node(NamedTuple):
    """A worker as it is when it starts."""

    name: str
    queues: tuple[str, ...]
    processes: int  #: 0: not known yet


#: set in a pool process
in_pool = threading.Event()
#: the process id of the worker whose pool processes are forked from here
_workers: list[int] = []
#: what those workers are, the one that this process belongs to last
nodes: list[Node] = []
#: a file for each worker that was started here: of its pool processes one at a time can lock it
_firsts: list[Any] = []
#: called when a pool process begins; when it ends
at_begin: list[Callable[[], object]] = []
at_end: list[Callable[[], object]] = []


def attach() -> None:
    """Make every pool process of this worker do so."""
    signals.worker_init.connect(_note_worker, weak=False)
    signals.worker_process_init.connect(_begin, weak=False)
    signals.worker_process_shutdown.connect(_end, weak=False)


def wait_to_be_first() -> None:
    """Return once no other pool process of this worker has returned from this, and lives."""
    fcntl.lockf(_firsts[-1], fcntl.LOCK_EX)


def note_node(worker: Any) -> None:
    """Note what the worker is that runs in this process, or whose pool processes are forked."""
    queues = tuple(worker.app.amqp.queues.consume_from)
    processes = worker.concurrency
    nodes.append(Node(worker.hostname, queues, processes if isinstance(processes, int) else 0))


def _note_worker(sender: Any, **_: Any) -> None:
    _workers.append(os.getpid())
    note_node(sender)
    memory = getattr(os, "memfd_create", None)  # needs no file system that can be written to
    _firsts.append(memory("tagsweep") if memory else tempfile.TemporaryFile())  # noqa: SIM115  # inherited


def _begin(**_: Any) -> None:
    worker = _workers[-1] if _workers else os.getppid()  # if not forked, the list is empty
    if worker != os.getpid():  # the solo pool runs in the worker itself
        parent_watch.begin(worker)
    _close_inherited()
    in_pool.set()
    for first in at_begin:
        first()


def _end(**_: Any) -> None:
    for last in at_end:
        last()


def _close_inherited() -> None:
    """Replace each inherited connection to a server by /dev/null, so that its number stays taken.

    If the number were free, a new connection could get it, and the parent's object would close that
    one when it is collected here.
    """
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for entry in Path("/dev/fd").iterdir():
        with suppress(OSError):  # the listing's own descriptor is closed by now
            if _is_connection(int(entry.name)):
                os.dup2(nothing, int(entry.name), inheritable=False)
    os.close(nothing)


def _is_connection(number: int) -> bool:
    if not stat.S_ISSOCK(os.fstat(number).st_mode):
        return False
    with socket.socket(fileno=os.dup(number)) as found:
        if found.type != socket.SOCK_STREAM:
            return False
        # a socket to a server has a peer name, a pair between parent and child has none
        is_named = found.family == socket.AF_UNIX and bool(found.getpeername())
        return is_named or found.family in _INTERNET
