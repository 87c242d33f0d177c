"""Another service with a Celery app and a worker of its own: nothing of ours in it.

Run as ``celery -A tests.support.customer worker``; it writes down each task that it is given.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from celery import Celery

app = Celery(
    "customer", broker=os.environ.get("CUSTOMER_BROKER"), backend=os.environ.get("CUSTOMER_RESULTS")
)
_NOTES = Path(os.environ.get("CUSTOMER_NOTES", os.devnull))


def _note(task: Any, *args: Any) -> None:
    request = task.request
    note = {
        "task": task.name,
        "id": request.id,
        "args": args,
        "root": request.root_id,
        "parent": request.parent_id,
        "group": request.group,
        "queue": request.delivery_info["routing_key"],
    }
    with _NOTES.open("a") as notes:
        notes.write(json.dumps(note) + "\n")


@app.task(bind=True)
def note(self: Any, *args: Any) -> Any:
    """Write the arguments down, and return the first."""
    _note(self, *args)
    return args[0] if args else None


@app.task(bind=True)
def failed(self: Any, task_id: str) -> None:
    """Write down what failed."""
    _note(self, task_id)


@app.task(bind=True)
def to_job(self: Any, data: Any, tenant: str, table: str) -> Any:
    """Return a job that a next task of a chain can be given."""
    _note(self, data, tenant, table)
    return {"tenant": tenant, "names": ["legacy"], "tables": [table]}


@app.task(bind=True)
def fail(self: Any) -> None:
    """Fail."""
    _note(self)
    raise RuntimeError("as asked")
