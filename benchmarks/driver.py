"""The process that sends the work of one contender, and times it.

python -m benchmarks.driver MODULE:CLASS WORK: at the first line of stdin it warms up and answers
when that is done, at each further one it does the work and answers how long it took.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from typing import Any

from benchmarks import work as works

#: absent ids to warm up with: enough that every worker process has had some
MOST_WARM, LEAST_WARM = 50_000, 2_000


def main(which: str, path: str) -> None:
    """Obey one line after the other."""
    work = works.load(path)
    ids = len(work.ids)  # read before anything is timed
    module, _, name = which.partition(":")
    run = getattr(importlib.import_module(module), name)()
    sys.stdin.readline()
    run(work.absent(min(MOST_WARM, max(LEAST_WARM, ids))))
    _answer({"warm": True})
    while sys.stdin.readline():
        start = time.perf_counter()
        details = run(work)
        _answer({"seconds": time.perf_counter() - start, **details})


def _answer(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
