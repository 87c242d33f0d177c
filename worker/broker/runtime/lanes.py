"""``tagsweep worker``: one command over two Celery workers, so that small jobs never wait.

One Celery worker has one consumer and one pool: whatever it takes off one queue, messages of the
others wait behind. So the queue of jobs has a worker of its own, the express worker; the other one
takes sweeps, and the parts of long lists.
"""

from __future__ import annotations

import os
from functools import partial

from celery import Celery

from tagsweep.worker import database
from tagsweep.worker.broker import names
from tagsweep.worker.broker.runtime import node, supervisor

EXPRESS = "express"
#: by how much the worker of large jobs is nicer than the express worker
NICER = 10
#: how its log names the processes of the express worker
PROCESS = "%(processName)s"


def run(
    app: Celery, options: list[str], hostname: str | None, concurrency: int | None, express: int
) -> int:
    """Run both until they end; return the exit status.

    ``options``: of both workers; ``concurrency`` processes, or one for each core, and ``express``
    processes for small jobs.
    """
    main, beside = node.beside(hostname, EXPRESS)
    large = ["--hostname", main, "--queues", f"{names.sweeps()},{names.parts()}"]
    if concurrency is not None:
        large += ["--concurrency", str(concurrency)]
    small = ["--hostname", beside, "--queues", names.queue(), "--concurrency", str(express)]
    database.forget_engine()  # each process opens its own connections
    return supervisor.run(
        [
            supervisor.Worker(main, partial(_run_large, app, [*options, *large])),
            supervisor.Worker(beside, partial(_run_express, app, [*options, *small])),
        ]
    )


def _run_large(app: Celery, options: list[str]) -> int:
    """Run the worker of large jobs, which gives way to the other where they share processors."""
    os.nice(NICER)
    return node.run(app, ["worker", *options])


def _run_express(app: Celery, options: list[str]) -> int:
    """Run the express worker: without a banner, and marked in the log that both write."""
    for name in ("worker_log_format", "worker_task_log_format"):
        app.conf[name] = app.conf[name].replace(PROCESS, f"{EXPRESS}/{PROCESS}")
    return node.run(app, ["--quiet", "worker", *options])
