"""``tagsweep worker``: everything that has to run behind the broker."""

from __future__ import annotations

import signal
from typing import Annotated

import typer

from tagsweep.producer.cli.backends import embedded_worker
from tagsweep.producer.cli.output import terminal
from tagsweep.worker import settings
from tagsweep.worker.broker import sending
from tagsweep.worker.broker.runtime import lanes, node
from tagsweep.worker.database import schema
from tagsweep.worker.mapping import readiness

app = typer.Typer(rich_markup_mode="rich", add_completion=False)

STOPS = {signal.SIGINT, signal.SIGTERM}

Concurrency = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Processes; by default one per core.")
]
Express = Annotated[
    int,
    typer.Option(
        min=0, metavar="N", help="Processes for small jobs alone, in a worker of its own; 0: none."
    ),
]
Hostname = Annotated[
    str | None,
    typer.Option(
        "--hostname", "-n", metavar="NAME", help="The node's name, as Celery has it (w1@%h)."
    ),
]
LogLevel = Annotated[str, typer.Option(help="debug, info, warning or error.")]


@app.command()
def worker(
    *,
    concurrency: Concurrency = None,
    express: Express = 1,
    hostname: Hostname = None,
    loglevel: LogLevel = "info",
) -> None:
    """Run a worker until Ctrl-C or SIGTERM; the steps it works on are finished.

    With a broker these are two Celery workers: one for large jobs, and one for small jobs, which
    wait for no large one. With --express 0 it is one for both, as `celery -A tagsweep worker`. With
    nothing set it does, one step at a time, what any command records in the store.
    """
    readiness.check()
    if settings.load().embedded:
        _embedded()
        return
    from tagsweep.celery import (
        app as celery_app,  # with everything that a worker needs besides its tasks
    )

    sending.check(celery_app)
    options = ["--loglevel", loglevel]
    if express:
        raise typer.Exit(lanes.run(celery_app, options, hostname, concurrency, express))
    if concurrency is not None:
        options += ["--concurrency", str(concurrency)]
    if hostname is not None:
        options += ["--hostname", hostname]
    raise typer.Exit(node.run(celery_app, ["worker", *options]))


def _embedded() -> None:
    where = schema.where()
    # blocked before the worker's threads start, so that they leave the signals to this one
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    with embedded_worker.running():
        terminal.say(f"A worker runs on the store at {where}. Ctrl-C ends it.")
        signal.sigwait(STOPS)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
