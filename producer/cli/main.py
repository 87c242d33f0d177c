"""The commands; each is loaded only when it is called, so that ``--help`` is quick."""

from __future__ import annotations

import importlib
import sys
from functools import partial
from importlib import metadata
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from tagsweep.producer.cli import completion, ending, shared_options
from tagsweep.producer.cli.output import stdout, terminal
from tagsweep.producer.cli.shared_options import LONG_RUNNING
from tagsweep.worker import extras, redaction, settings

COMMANDS = {
    "detach": "Take tags off resources; the tags themselves stay.",
    "attach": "Put tags, which are created if missing, on resources.",
    "merge": "Merge tags into another, which is created if missing.",
    "delete": "Delete key/value tags from workspaces.",
    "set": "Set key/value tags of workspaces.",
    "jobs": "List, show, watch, control jobs; read their receipts.",
    "tags": "List, create, rename, delete tags.",
    "events": "Print the completion events, one JSON a line.",
    "load": "Load tags and links in bulk from NDJSON; safe to repeat.",
    "migrate": "Create or upgrade the store's schema.",
    "map": "Map tag tables of your own: write a map, check it.",
    "webhooks": "Have events sent to URLs, signed; see and repeat what was sent.",
    "keys": "Create, list or revoke credentials for the gateway.",
    "audit": "Show who did what, the newest first.",
    "config": "Show which store, broker and gateway commands use, and why.",
    "serve": "Serve HTTP in front of a broker.",
    "up": "Run gateway and worker in one process: HTTP with nothing to set up.",
    "worker": "Run a worker: everything that has to run behind the broker.",
    "doctor": "Check the installation: what is wrong, and what to do about it.",
    "demo": "See it all work in half a minute, without any server.",
}

#: the commands that submit a job
SUBMITTING = frozenset({"detach", "attach", "merge", "delete", "set"})
#: the extra of a command that needs more than the first module that it lacks comes with
EXTRAS = {"serve": "gateway", "up": "gateway"}

HELP = """
Removes tags from very many resources as background jobs, and reports when it is done.

With nothing set, everything is embedded: the store is tagsweep.db in the current folder, and the \
command itself does the work. TAGSWEEP_DATABASE_URL (postgresql://...) and TAGSWEEP_BROKER_URL \
(redis://..., amqp://...) name servers; then `tagsweep worker` does it. With TAGSWEEP_API_KEY, \
detach, attach, merge, delete, set, jobs, tags, events and webhooks go through the gateway at \
TAGSWEEP_URL instead. `tagsweep config` shows what is used, and why.

\b
Examples:
  tagsweep demo
  tagsweep load tags.ndjson
  tagsweep detach --tenant acme --name legacy --tables @ids.txt
  tagsweep detach --tenant acme --name pii --sources ID,ID --no-wait
  tagsweep attach --tenant acme --name reviewed --tables @ids.txt
  tagsweep merge --tenant acme --name PII --into pii --drop
  tagsweep delete --tenant p-1 --workspace w-1,w-2 --tag env=dev --tag owner
  tagsweep set --tenant p-1 --workspace w-1,w-2 --tag env=prod
  tagsweep jobs list --status running
  tagsweep events --since 10m --follow

Exit status: 0 done, and the job succeeded; 1 the job ended otherwise, or a server is down; 2 \
wrong use, nothing was done; 3 the job is recorded and has not ended; 130 interrupted; 141 nobody \
reads the output.
"""


def load(name: str) -> Any:
    """Return a command as it is called, with the options that every command has."""
    path = f"submit.{name}" if name in SUBMITTING else name
    module = importlib.import_module(f"tagsweep.producer.cli.commands.{path}")
    return shared_options.give(typer.main.get_command(module.app))


class Menu(TyperGroup):
    """Commands by name; ``--help`` loads none of their modules."""

    def get_params(self, ctx: Any) -> Any:
        """Return the options, of which those of completion do what our own module does."""
        params = super().get_params(ctx)
        for each in params:
            if each.name in completion.CALLBACKS:
                each.callback = completion.CALLBACKS[each.name]
        return params

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that is called, loaded now."""
        name = args[0]
        if name in LONG_RUNNING:
            stdout.drop_what_cannot_be_written()
        if name in COMMANDS:
            if name in EXTRAS:  # what it needs may be loaded only later
                extras.check(EXTRAS[name])
            with extras.required(EXTRAS.get(name)):
                self.commands[name] = load(name)
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=Menu,
    help=HELP,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _stub() -> None:
    """Stand in ``--help`` for a command that is not loaded."""


for _name, _summary in COMMANDS.items():
    app.command(_name, help=_summary)(_stub)


def _show_version(value: bool) -> None:  # noqa: FBT001  # typer calls it so
    if value:
        try:
            version = metadata.version("tagsweep")
        except metadata.PackageNotFoundError:
            version = "(not installed)"
        typer.echo(f"tagsweep {version}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _menu(
    context: typer.Context,
    *,
    profile: Annotated[  # noqa: ARG001  # read by the command
        str | None, typer.Option("--profile", metavar="P", help=shared_options.PROFILE_HELP)
    ] = None,
    version: Annotated[  # noqa: ARG001  # done by its callback
        bool,
        typer.Option(
            "--version", "-V", help="Show the version.", callback=_show_version, is_eager=True
        ),
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main() -> None:
    """Run ``tagsweep`` with the arguments of this process, and exit with its status."""
    stdout.guard()
    settings.refuse_unknown(lambda line: terminal.say(f"tagsweep: {line}"))
    redaction.guard("stderr")  # stdout is for results, which are the caller's own data
    sys.exit(ending.of(partial(app, prog_name="tagsweep", standalone_mode=False)))
