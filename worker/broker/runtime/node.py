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
from celery.platforms import EX_FAILURE


def name() -> None:
    """Make ``celery worker`` without ``-n`` use a unique name."""
    own = f"celery-{uuid4().hex[:8]}@{socket.gethostname()}"
    for option in command.params:
        if option.name == "hostname":
            option.default = own


def run(app: Celery, arguments: list[str]) -> int:
    """Run ``celery`` with these arguments, the first being ``worker``; return its exit status."""
    started: list[Any] = []

    def note(instance: Any, **_: Any) -> None:
        started.append(instance)

    signals.celeryd_init.connect(note)
    main: Any = app.worker_main  # the stubs say that it never returns
    main(arguments)
    return next((int(worker.exitcode or 0) for worker in started), EX_FAILURE)
