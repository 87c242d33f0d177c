"""``tagsweep up``: gateway and worker in one process, with nothing to set up."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer

from tagsweep.producer.cli.commands.serve import Port
from tagsweep.producer.cli.output import terminal
from tagsweep.producer.gateway.auth import credentials
from tagsweep.worker import database, settings
from tagsweep.worker.broker.runtime import embedded
from tagsweep.worker.database import schema
from tagsweep.worker.errors import SettingsError

app = typer.Typer(rich_markup_mode="rich")

HOST = "127.0.0.1"
NOT_EMBEDDED = (
    "`tagsweep up` is for the embedded default; with TAGSWEEP_BROKER_URL set, run `tagsweep serve` "
    "and `tagsweep worker`."
)
SAMPLE = '{"names": ["legacy"], "sources": ["d2c1b472-902c-477a-b300-e7c3fd72609b"]}'

Tenant = Annotated[str, typer.Option(help="The tenant whose key is printed.")]


@app.command()
def up(*, port: Port = 8000, tenant: Tenant = "demo") -> None:
    """Run gateway and worker in this process until Ctrl-C or SIGTERM.

    Prints a fresh key and a curl line that works when pasted. The key stays valid until it is
    revoked: `tagsweep keys revoke`.
    """
    from tagsweep.producer.gateway import server

    if not settings.load().embedded:
        raise SettingsError(NOT_EMBEDDED)
    with server.listen(HOST, port) as bound:
        schema.ready()
        with database.transaction() as connection:
            created = credentials.create(connection, tenant, operator=False, signing=False)
        url = f"http://{HOST}:{bound.getsockname()[1]}"
        with embedded.worker():
            server.run(bound, lambda: _announce(url, tenant, created.key))


def _announce(url: str, tenant: str, key: str) -> None:
    where = schema.where()
    terminal.say(f"Gateway and worker run on the store at {where}. Ctrl-C ends them.")
    terminal.write_line(f"url:    {url}")
    terminal.write_line(f"tenant: {tenant}")
    terminal.write_line(f"key:    {key}")
    header = shlex.quote(f"x-api-key: {key}")
    terminal.write_line(
        f"curl --request POST {url}/api/v1/tags/detach/ --header {header} "
        f"--header 'Content-Type: application/json' --data {shlex.quote(SAMPLE)}"
    )
