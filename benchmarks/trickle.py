"""The process that sends small things, one after the other, and times them.

python -m benchmarks.trickle WORK: each line of stdin is an order in JSON, answered by one line.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from celery import Celery

from benchmarks import work as works
from benchmarks.listening import Events
from benchmarks.work import Work, broker_url
from tagsweep import TagSweep

#: ids of one small job
FEW = 10
#: what an attach attaches; the key that a delete deletes, and its value that a set sets
NEW_TAG = "new"


class Trickle:
    """Whoever sends: our producer, or a plain Celery app."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._at = 0
        self._ours = TagSweep()
        # as another service would write it
        self._plain = Celery("caller", broker=broker_url(), backend=broker_url())
        self._events = Events(broker_url())

    def job(self, job_id: str | None = None) -> None:
        """Send one small job with our producer."""
        work, lists = self._work, self._work.lists(self._next_ids())
        self._ours.detach(tenant=work.tenant, names=work.names, job_id=job_id, **lists)

    def task(self, job_id: str | None = None) -> None:
        """Send the same with plain Celery."""
        work = self._work
        body = {"tenant": work.tenant, "names": work.names, "destinations": self._next_ids()}
        self._plain.send_task("tags.detach", [body], queue="tagsweep", task_id=job_id)

    def attach(self) -> None:
        """Attach a tag of its own to the next ids."""
        ids = self._next_ids()
        self._ours.attach(tenant=self._work.tenant, names=[NEW_TAG], destinations=ids)

    def delete(self) -> None:
        """Delete a tag from workspaces, whose ids are the next ones."""
        ids = self._next_ids()
        self._ours.delete(tenant=self._work.tenant, workspaces=ids, tags=[{"key": NEW_TAG}])

    def set(self) -> None:
        """Give a key of workspaces, whose ids are the next ones, its value."""
        tags = [{"key": NEW_TAG, "value": NEW_TAG}]
        self._ours.set(tenant=self._work.tenant, workspaces=self._next_ids(), tags=tags)

    def noop(self) -> None:
        """Send a task that does nothing."""
        self._plain.send_task("noop_forgotten", ignore_result=True)

    def enqueue(self, what: str, times: int) -> dict[str, Any]:
        """Send that often as fast as can be."""
        ways = {"job": self.job, "task": self.task, "noop": self.noop}
        kinds = {"attach": self.attach, "delete": self.delete, "set": self.set}
        send: Callable[[], None] = (ways | kinds)[what]
        start = time.perf_counter()
        for _ in range(times):
            send()
        return {"seconds": time.perf_counter() - start}

    def jobs_at(self, rate: float, times: int) -> dict[str, Any]:
        """Send so many jobs a second; return the milliseconds from each call to its event."""
        ids = [str(uuid4()) for _ in range(times)]
        sent: dict[str, float] = {}
        came: dict[str, float] = {}
        self._events.skip()

        def listen() -> None:
            for now, event in self._events.arrivals():
                came[event["subject"]] = now
                if len(came) >= times and came.keys() >= set(ids):
                    return

        reader = threading.Thread(target=listen, daemon=True)
        reader.start()
        begin = time.perf_counter()
        for at, job_id in enumerate(ids):
            _sleep_until(begin + at / rate)
            sent[job_id] = time.perf_counter()
            self.job(job_id)
        reader.join()
        return {"ms": [(came[one] - start) * 1000 for one, start in sent.items()]}

    def tasks_at(self, rate: float, times: int) -> dict[str, Any]:
        """Send so many jobs a second with plain Celery; return when each was sent, in Unix time."""
        sent = {}
        begin = time.perf_counter()
        for at in range(times):
            _sleep_until(begin + at / rate)
            job_id = str(uuid4())
            sent[job_id] = time.time()
            self.task(job_id)
        return {"sent": sent}

    def noops_at(self, rate: float, times: int) -> dict[str, Any]:
        """Send so many no-ops a second; return the milliseconds of each round trip."""
        taken: list[float] = []
        begin = time.perf_counter()
        for at in range(times):
            _sleep_until(begin + at / rate)
            start = time.perf_counter()
            self._plain.send_task("noop").get(timeout=60)
            taken.append((time.perf_counter() - start) * 1000)
        return {"ms": taken}

    def _next_ids(self) -> list[Any]:
        start = self._at
        self._at += FEW
        found = self._work.ids[start : self._at]
        if len(found) < FEW:
            raise RuntimeError("The store has too few links for so many small jobs.")
        return found


def _sleep_until(moment: float) -> None:
    time.sleep(max(0, moment - time.perf_counter()))


def main(path: str) -> None:
    """Obey one line after the other."""
    work = works.load(path)
    _ = work.ids  # read before anything is timed
    trickle = Trickle(work)
    for line in sys.stdin:
        order = json.loads(line)
        answer = getattr(trickle, order.pop("do"))(**order)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
