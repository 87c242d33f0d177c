"""The process that streams a job's ids from a generator, and tells how much memory that took.

python -m benchmarks.streaming WORK: as benchmarks.driver, with one producer and no list anywhere.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil

from benchmarks import processes
from benchmarks import work as works
from benchmarks.driver import MOST_WARM
from benchmarks.listening import Events
from benchmarks.work import broker_url
from tagsweep import TagSweep
from tagsweep.worker.models.ids import WIDTH, unpack

#: ids read from the file at once
BLOCK = 1_000


def ids(path: str) -> Iterator[str]:
    """Yield the ids of a file, of which only a little is in memory."""
    with Path(path).open("rb") as file:
        while block := file.read(BLOCK * WIDTH):
            yield from unpack(block)


def main(path: str) -> None:
    """Obey two lines."""
    work = works.load(path)
    sender, events = TagSweep(), Events(broker_url())
    process = psutil.Process()
    begin = process.memory_info().rss / 2**20

    def run(some: Iterator[str]) -> dict[str, Any]:
        start = time.perf_counter()
        job = sender.detach(tenant=work.tenant, names=work.names, destinations=some)
        sent = time.perf_counter() - start
        events.wait_for(job.id)
        return {"job": job.id, "sent_s": sent, "seconds": time.perf_counter() - start}

    sys.stdin.readline()
    run(str(uuid4()) for _ in range(MOST_WARM))
    _answer({})
    sys.stdin.readline()
    measured = run(ids(work.path))
    _answer({**measured, "begin_mb": begin, "peak_mb": processes.peak_mb(process)})
    sys.stdin.readline()


def _answer(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
