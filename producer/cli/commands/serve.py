"""``tagsweep serve``: the HTTP gateway in front of a broker."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from tagsweep.producer.cli.output import terminal
from tagsweep.producer.gateway.auth import signing
from tagsweep.worker import settings
from tagsweep.worker.errors import SettingsError
from tagsweep.worker.mapping import readiness

app = typer.Typer(rich_markup_mode="rich", add_completion=False)

EMBEDDED = (
    "TAGSWEEP_BROKER_URL=memory:// reaches no worker from here: `tagsweep up` runs gateway and "
    "worker in one process; or set TAGSWEEP_BROKER_URL to redis://... or amqp://..."
)

Host = Annotated[str, typer.Option(help="The address to listen on.")]
Port = Annotated[int, typer.Option(min=0, max=65_535, help="The port to listen on; 0: any.")]


@app.command()
def serve(*, host: Host = "127.0.0.1", port: Port = 8000) -> None:
    """Serve HTTP until Ctrl-C or SIGTERM; requests that have begun are finished.

    Workers run separately: `tagsweep worker`. `tagsweep keys create` makes credentials.
    """
    from tagsweep.producer.gateway import server

    if settings.load().embedded:
        raise SettingsError(EMBEDDED)
    readiness.check()
    if unusable := signing.unusable():
        terminal.say(unusable)
    with server.listen(host, port) as bound:
        url = f"http://{host}:{bound.getsockname()[1]}"
        ready = partial(terminal.say, f"The gateway serves on {url}. Ctrl-C ends it.")
        server.run(bound, ready, drain_s=settings.load().drain_s)
