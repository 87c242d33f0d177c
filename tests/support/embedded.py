"""The stack that needs no server: SQLite, memory://, and the worker in one process with its caller.

Run as a program it is that process: it takes one JSON request a line, and answers each in a line.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

from tagsweep.worker import errors
from tests.support.stack import (
    ROOT,
    Stack,
    environment,
    eventually,
)
from tests.support.stores import Store


class EmbeddedPending:
    """A job that was sent inside the other process."""

    def __init__(self, stack: EmbeddedStack, job_id: str) -> None:
        self.id = job_id
        self._stack = stack

    def get(self, timeout: float | None = None) -> Any:
        """Wait for the job's answer; raise what Celery raised there."""
        return self._stack.ask("get", id=self.id, timeout=timeout)


class EmbeddedStack(Stack):
    """SQLite and memory://; its events are those of the store's feed."""

    name = "embedded"

    def __init__(self, folder: Path) -> None:
        url = f"sqlite:///{folder / 'tagsweep.db'}"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.embedded"],
            cwd=ROOT,
            env=environment(database_url=url),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.ask("hello")
        self.store = Store(url)

    def ask(self, order: str, **details: Any) -> Any:
        """Have the other process do something; return or raise what came of it."""
        requests, answers = self._process.stdin, self._process.stdout
        assert requests is not None
        assert answers is not None
        requests.write(json.dumps({"order": order, **details}) + "\n")
        requests.flush()
        answer = json.loads(answers.readline())
        if "error" in answer:
            kind = getattr(errors, answer["error"], RuntimeError)
            raise kind(answer["reason"])
        return answer["value"]

    def send(
        self, task: str, *args: Any, task_id: str | None = None, **kwargs: Any
    ) -> EmbeddedPending:
        """Send a message from inside the process: nobody else reaches memory://."""
        task_id = task_id or str(uuid4())
        self.ask("send", task=task, args=args, kwargs=kwargs, id=task_id)
        return EmbeddedPending(self, task_id)

    def events(self, job_id: str) -> list[dict[str, Any]]:
        """Return the job's events as the store's feed has them."""
        rows: list[Any] = []

        def all_published() -> bool:
            rows[:] = self.store.outbox(job_id)
            return all(row.position is not None for row in rows)

        eventually(all_published)  # the answer is given just before
        return [json.loads(row.event) for row in rows]

    def close(self) -> None:
        """End the process, which does so when its input ends."""
        self.store.close()
        self._process.communicate(timeout=60)


def serve() -> None:
    """Run a worker, and do what the lines of stdin ask for till they end."""
    from tagsweep.worker.broker.app import app
    from tagsweep.worker.broker.runtime import embedded
    from tagsweep.worker.database import schema

    def perform(order: str, request: dict[str, Any]) -> Any:
        if order == "send":
            arguments = request["args"], request["kwargs"]
            app().send_task(request["task"], *arguments, task_id=request["id"], queue="tagsweep")
        elif order == "get":
            return app().AsyncResult(request["id"]).get(timeout=request["timeout"], interval=0.02)
        return None

    schema.upgrade()
    with embedded.worker():
        for line in sys.stdin:
            request = json.loads(line)
            try:
                answer = {"value": perform(request.pop("order"), request)}
            except Exception as error:  # noqa: BLE001  # told to the test
                answer = {"error": type(error).__name__, "reason": str(error)}
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    serve()
