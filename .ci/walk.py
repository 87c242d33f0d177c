"""Follow one detach through the modules, from ``TagSweep.detach`` to the published event.

Prints the modules in the order in which they are first entered, each with how often the walk stays
in it: calls and returns both count, as they do for a reader. The job runs on the embedded default,
so the door and the worker are in this process; what the worker does for other messages is left out.
``docs/architecture.md`` tells the walk and its numbers.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
#: what every step uses and no reader follows: settings, errors, transactions, rows and columns
ASIDE = {"settings", "errors", "outages", "redaction", "database", "records", "tables"}
#: where the walk begins: at the door, in the worker, and in the thread that publishes
BEGINNINGS = {("client", "detach"), ("batches", "add"), ("batch_call", "run"), ("relay", "deliver")}
TASK = "tags.detach"


class Walk:
    """The stays of one thread at a time, while it is inside the walk."""

    def __init__(self) -> None:
        self.stays: list[str] = []
        self._inside = threading.local()

    def profile(self, frame: FrameType, event: str, _: Any) -> None:
        """Take a call or a return, as ``sys.setprofile`` reports it."""
        if event not in ("call", "return"):
            return
        name = module_of(frame)
        stack = self._inside.__dict__.setdefault("stack", [])
        if event == "return":
            if stack and stack[-1][0] is frame:
                stack.pop()
                if stack:
                    self._stay(stack[-1][1])
        elif name and (stack or begins(name, frame)):
            stack.append((frame, name))
            self._stay(name)

    def _stay(self, name: str) -> None:
        if not self.stays or self.stays[-1] != name:
            self.stays.append(name)


def begins(name: str, frame: FrameType) -> bool:
    """Return whether the walk enters at this call: of the worker's tasks, only at the detach."""
    if (name.rsplit("/", maxsplit=1)[-1], frame.f_code.co_name) not in BEGINNINGS:
        return False
    return getattr(frame.f_locals.get("self"), "name", TASK) == TASK


def module_of(frame: FrameType) -> str | None:
    """Return a module of ours as ``worker/jobs/lifecycle``; None for any other code."""
    name = str(frame.f_globals.get("__name__", ""))
    if not name.startswith("tagsweep.") or ASIDE.intersection(name.split(".")):
        return None
    return name.removeprefix("tagsweep.").replace(".", "/")


def run(walk: Walk) -> None:
    """Run a detach of three links to its event, under the walk's profile."""
    from tagsweep import TagSweep
    from tagsweep.worker import database
    from tagsweep.worker.broker.runtime import embedded
    from tagsweep.worker.database import schema
    from tagsweep.worker.models.ids import pack
    from tagsweep.worker.store import bulk_load

    ids = [f"00000000-0000-4000-8000-00000000000{n}" for n in range(3)]
    schema.upgrade()
    with database.transaction() as connection:
        bulk_load.link(connection, bulk_load.ensure_tag(connection, "acme", "x"), 7, pack(ids))
    threading.setprofile(walk.profile)
    with embedded.worker():
        sys.setprofile(walk.profile)
        job = TagSweep().detach(tenant="acme", names=["x"], tables=ids)
        sys.setprofile(None)
        while job.status() != "succeeded":
            time.sleep(0.1)
    threading.setprofile(None)


def main() -> None:
    """Print the walk."""
    walk = Walk()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        sys.path.insert(0, str(ROOT))
        run(walk)
    times = Counter(walk.stays)
    for name, number in times.items():
        print(f"{number:4}  {name}")
    print(f"{len(times)} modules, {len(walk.stays)} stays")


if __name__ == "__main__":
    main()
