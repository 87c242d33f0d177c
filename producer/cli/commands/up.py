"""``tagsweep up``: gateway and worker in one process, with nothing to set up."""

from __future__ import annotations

import shlex
from functools import partial
from typing import Annotated

import typer

from tagsweep.producer.cli.backends import kept
from tagsweep.producer.cli.commands import load
from tagsweep.producer.cli.commands.serve import Port
from tagsweep.producer.cli.demo import sample
from tagsweep.producer.cli.input import ndjson, user
from tagsweep.producer.cli.input.errors import WrongUse
from tagsweep.producer.cli.output import terminal
from tagsweep.producer.gateway.auth import credentials, sessions
from tagsweep.producer.gateway.auth.grants import Grant
from tagsweep.producer.gateway.openapi.examples import SOURCE
from tagsweep.worker import database, settings
from tagsweep.worker.broker.runtime import embedded
from tagsweep.worker.database import schema
from tagsweep.worker.errors import SettingsError
from tagsweep.worker.mapping import readiness
from tagsweep.worker.store.inventory import contents

app = typer.Typer(rich_markup_mode="rich", add_completion=False)

HOST = "127.0.0.1"
NOT_EMBEDDED = (
    "`tagsweep up` is for the embedded default; with TAGSWEEP_BROKER_URL set, run `tagsweep serve` "
    "and `tagsweep worker`."
)
NOT_EMPTY = (
    "--sample fills an empty store alone, and the store at {where} holds {held}. Leave --sample "
    "out, or run it in an empty folder."
)
#: the body of a request that finds something in the sample, and that a store without tags takes
BODY = f'{{"names": ["legacy"], "sources": ["{SOURCE}"]}}'

Tenant = Annotated[str, typer.Option(help="The tenant whose key is printed.")]
Sample = Annotated[bool, typer.Option("--sample", help="Fill an empty store with sample data.")]


@app.command()
def up(*, port: Port = 8000, tenant: Tenant = "demo", with_sample: Sample = False) -> None:
    """Run gateway and worker in this process until Ctrl-C or SIGTERM.

    Prints a key, and a curl line whose answer shows something. The key is kept beside the store, in
    a file that only you can read, and is the same the next time; `tagsweep keys revoke` ends it.
    """
    from tagsweep.producer.gateway import server

    if not settings.load().embedded:
        raise SettingsError(NOT_EMBEDDED)
    with server.listen(HOST, port) as bound:
        readiness.check()
        if with_sample:
            _fill(tenant)
        kept.use_secret_key(make=True)
        key = _key(tenant)
        url = f"http://{HOST}:{bound.getsockname()[1]}"
        path, body = _request(tenant, is_sample=with_sample)
        ready = partial(_announce, tenant, key, url, path, body)
        with embedded.worker():
            server.run(bound, ready)


def _fill(tenant: str) -> None:
    """Load the sample; raises WrongUse if the store holds anything."""
    with database.reading() as connection:
        held = contents.held(connection)
    if held:
        raise WrongUse(NOT_EMPTY.format(where=schema.where(), held=" and ".join(held)))
    with ndjson.checked(sample.lines(tenant), "the sample") as spool:
        load.write(spool)


def _key(tenant: str) -> str:
    """Return the key of the tenant that is kept beside the store; make one if none is valid."""
    found = kept.read()
    keys = found.setdefault("keys", {})
    with database.transaction() as connection:
        key = keys.get(tenant, "")
        known = credentials.find_by_prefix(connection, credentials.prefix_of(key) or "")
        if known is not None and known.tenant == tenant and known.fits(key) and known.is_valid:
            return str(key)
        grant = Grant(tenant, name="tagsweep up")
        created = credentials.create(connection, grant, user.requester())
    keys[tenant] = created.key
    kept.write(found)
    return created.key


def _sign_in_token(key: str) -> str:
    """Return the token of a link that signs a browser in with the key, once."""
    with database.transaction() as connection:
        credential = credentials.find_by_prefix(connection, credentials.prefix_of(key) or "")
        assert credential is not None  # it was found or made a moment ago  # noqa: S101
        return sessions.make_link(connection, credential.id)


def _request(tenant: str, *, is_sample: bool) -> tuple[str, str | None]:
    """Return the path and body of a request whose answer shows something, whatever is stored.

    Of data that is not the sample it changes nothing.
    """
    with database.reading() as connection:
        tagged = contents.a_tagged_type(connection, tenant)
    if is_sample:
        return "/api/v1/tags/detach/", BODY
    if tagged is None:
        return "/api/v1/tags/attach/", BODY
    return f"/api/v1/{tagged}/?expand[]=tags&page_size=1", None


def _announce(tenant: str, key: str, url: str, path: str, body: str | None) -> None:
    where = schema.where()
    terminal.say(f"Gateway and worker run on the store at {where}. Ctrl-C ends them.")
    terminal.write_line(f"url:    {url}")
    if settings.load().console != "off":
        terminal.write_line(f"console: {url}/console/sign-in#{_sign_in_token(key)}")
    terminal.write_line(f"docs:   {url}/docs")
    terminal.write_line(f"tenant: {tenant}")
    terminal.write_line(f"key:    {key}")
    # --globoff: curl would take the brackets of a query for a range
    command = ["curl", "--globoff", url + path, "--header", f"x-api-key: {key}"]
    if body is not None:
        command += ["--header", "Content-Type: application/json", "--data", body]
    terminal.write_line(shlex.join(command))
