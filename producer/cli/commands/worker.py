"""``tagsweep worker``: everything that has to run behind the broker."""

from __future__ import annotations

import signal
from typing import Annotated

import typer

from tagsweep.producer.cli.backends import trouble
from tagsweep.producer.cli.output import terminal
from tagsweep.worker import settings
from tagsweep.worker.broker import sending
from tagsweep.worker.broker.runtime import embedded, node
from tagsweep.worker.database import errors, schema

app = typer.Typer(rich_markup_mode="rich", add_completion=False)

STOPS = {signal.SIGINT, signal.SIGTERM}

Concurrency = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Processes; by default one for each core.")
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
    hostname: Hostname = None,
    loglevel: LogLevel = "info",
) -> None:
    """Run a worker until Ctrl-C or SIGTERM; the step in hand is finished.

    Behind a broker this is the same as `celery -A tagsweep worker`. With nothing set it works, one
    step at a time, on what any command records in the store.
    """
    schema.ready()
    if settings.load().embedded:
        _embedded()
        return
    from tagsweep.celery import app as celery_app  # with all that a worker has beside its tasks

    sending.check(celery_app)
    arguments = ["worker", "--loglevel", loglevel]
    if concurrency is not None:
        arguments += ["--concurrency", str(concurrency)]
    if hostname is not None:
        arguments += ["--hostname", hostname]
    raise typer.Exit(node.run(celery_app, arguments))


def _embedded() -> None:
    where = errors.describe(settings.load().database_url)
    # blocked before the worker's threads start, so that they leave the signals to this one
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    with trouble.told(), embedded.worker():
        terminal.say(f"A worker runs on the store at {where}. Ctrl-C ends it.")
        signal.sigwait(STOPS)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
