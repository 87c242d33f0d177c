"""Workers in which a certain statement is deadly: ``celery -A tests.chaos.faulty worker``.

The fault is put in at the one place where all statements go through, the engine's own event.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, event

from tagsweep.worker.models.tables.types import UuidArray
from tests.servers.processes import spawn
from tests.support.stack import ServerStack, Worker, environment

#: setting that names the fault, as JSON: the statement's text, parameters, and who dies of it
NAME = "fault"


class FaultyWorker(Worker):
    """A worker that dies of a certain statement."""

    def __init__(self, stack: ServerStack, concurrency: int, fault: dict[str, Any]) -> None:
        self.folder = stack.folder / f"faulty-{len(stack.workers)}-{os.urandom(4).hex()}"
        self.folder.mkdir(parents=True)
        command = [sys.executable, "-m", "celery", "-A", "tests.chaos.faulty", "worker"]
        command += ["--concurrency", str(concurrency), "--loglevel", "INFO"]
        command += ["--hostname", f"{self.folder.name}@test"]
        settings = {**stack.settings, NAME: json.dumps(fault)}
        self.process = spawn(command, folder=self.folder, environment=environment(**settings))


def start(stack: ServerStack, concurrency: int = 1, **fault: Any) -> FaultyWorker:
    """Start a worker with this fault; ready when ``stack.wait`` has returned."""
    worker = FaultyWorker(stack, concurrency, fault)
    stack.workers.append(worker)
    return worker


def _die(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
    fault = json.loads(os.environ[f"TAGSWEEP_{NAME.upper()}"])
    if fault["statement"] not in statement:
        return
    given = parameters if isinstance(parameters, dict) else {}
    if all(_is_met(given, name, value) for name, value in fault["values"].items()):
        if fault["whole"]:
            os.kill(os.getppid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)


def _is_met(given: dict[str, Any], name: str, value: Any) -> bool:
    """Tell whether a statement is about this value, alone or, in a batch, among others."""
    many = given.get(f"{name.removesuffix('_id')}s")
    if isinstance(many, UuidArray):
        return bytes(many).find(UUID(str(value)).bytes) >= 0
    return str(given.get(name)) == str(value)


if f"TAGSWEEP_{NAME.upper()}" in os.environ:  # in the worker, not in the test that starts it
    event.listen(Engine, "before_cursor_execute", _die)
    from tagsweep.celery import app

    __all__ = ["app"]
