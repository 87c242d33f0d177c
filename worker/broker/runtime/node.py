"""A worker as a node among those that share its broker: its name and its exit status.

Celery's default name, ``celery@host``, is the same for all workers of a host: on RabbitMQ the
second does not start, and on Redis both answer to one name. A process id would not do: it is the
same in many containers.
"""

from __future__ import annotations

import socket
from typing import Any
from uuid import uuid4

from celery import Celery, signals
from celery.bin.worker import worker as command
from celery.platforms import EX_FAILURE, EX_OK
from celery.utils.nodenames import default_nodename


def name() -> None:
    """Make ``celery worker`` without ``-n`` use a unique name."""
    own = _unique()
    for option in command.params:
        if option.name == "hostname":
            option.default = own


def beside(hostname: str | None, suffix: str) -> tuple[str, str]:
    """Return the name of a node, and one for another node of the same command.

    ``hostname``: as of the option ``-n``; None: a unique one.
    """
    own = default_nodename(hostname) if hostname else _unique()
    first, _, host = own.partition("@")
    return own, f"{first}-{suffix}@{host}"


def _unique() -> str:
    return f"celery-{uuid4().hex[:8]}@{socket.gethostname()}"


def run(app: Celery, arguments: list[str]) -> int:
    """Run ``celery`` with these arguments, among them ``worker``; return its exit status.

    It is 0 if a signal asked the worker to end: Celery has another one for Ctrl-C.
    """
    started: list[Any] = []
    asked: list[str] = []

    def note(instance: Any, **_: Any) -> None:
        started.append(instance)

    def note_end(sig: str, **_: Any) -> None:
        asked.append(sig)

    signals.celeryd_init.connect(note)
    signals.worker_shutting_down.connect(note_end)
    main: Any = app.worker_main  # the stubs say that it never returns
    main(arguments)
    if asked:
        return EX_OK
    return next((int(worker.exitcode or 0) for worker in started), EX_FAILURE)
