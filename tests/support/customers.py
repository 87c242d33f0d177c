"""Another service's worker, and its callbacks, chains and chords around our tasks."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from celery import Celery

from tests.servers.processes import kill_tree, spawn, wait_until
from tests.support.stack import (
    PATIENCE_S,
    ServerStack,
    environment,
    eventually,
)

QUEUE = "customer"


class Customer:
    """A worker of ``tests/support/customer.py``, and what its tasks have noted."""

    def __init__(self, stack: ServerStack, folder: Path) -> None:
        self.stack = stack
        self._notes = folder / "notes"
        self._notes.touch()
        command = [sys.executable, "-m", "celery", "-A", "tests.support.customer", "worker"]
        command += ["-P", "solo", "-Q", f"{QUEUE},celery", "-n", "customer@test", "-l", "INFO"]
        own = {"BROKER": stack.broker_url, "RESULTS": stack.backend_url, "NOTES": self._notes}
        told = {f"CUSTOMER_{name}": str(value) for name, value in own.items()}
        self._log = folder / "log"
        self._process = spawn(command, folder=folder, environment={**environment(), **told})

    def wait(self) -> None:
        """Return once it takes messages."""
        assert wait_until(lambda: " ready." in self._log.read_text(), seconds=PATIENCE_S), (
            self._log.read_text()[-2000:]
        )

    def notes(self, task_id: str | None = None) -> list[dict[str, Any]]:
        """Return what was noted of tasks under the root ``task_id``, or of all."""
        noted = [json.loads(line) for line in self._notes.read_text().splitlines()]
        return [one for one in noted if task_id is None or task_id in (one["root"], one["parent"])]

    def noted(self, task_id: str, count: int = 1) -> list[dict[str, Any]]:
        """Return so many notes of tasks under ``task_id``, once they are there."""
        eventually(lambda: len(self.notes(task_id)) >= count)
        return self.notes(task_id)

    def close(self) -> None:
        """End it."""
        kill_tree(self._process)


@contextmanager
def serving(stack: ServerStack, folder: Path) -> Iterator[Customer]:
    """Give a running worker of another service beside the stack."""
    customer = Customer(stack, folder)
    try:
        customer.wait()
        yield customer
    finally:
        customer.close()


def own(app: Celery, name: str, *args: object, queue: str | None = QUEUE, **options: Any) -> Any:
    """Return a signature of one of the other service's tasks."""
    route = {"queue": queue} if queue else {}
    return app.signature(f"tests.support.customer.{name}", args=args, **route, **options)


def detach(app: Celery, job: dict[str, Any], **options: Any) -> Any:
    """Return a signature of a detach."""
    return app.signature("tags.detach", args=(job,), queue="tagsweep", **options)
