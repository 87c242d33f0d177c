"""The commands; each is loaded only when it is called, so that ``--help`` is quick."""

from __future__ import annotations

import importlib
import os
import sys
from importlib import metadata
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from tagsweep.producer.cli.backends.reconnecting import Unfinished
from tagsweep.producer.cli.exit_status import FAILED, INTERRUPTED, UNFINISHED, WRONG_USE
from tagsweep.producer.cli.input import profiles
from tagsweep.producer.cli.input.errors import WrongUse
from tagsweep.worker import extras, redaction, settings
from tagsweep.worker.errors import (
    CannotUndo,
    Forgotten,
    InvalidJob,
    NoSuchJob,
    SettingsError,
    TagsweepError,
)
from tagsweep.worker.extras import MissingExtra

COMMANDS = {
    "detach": "Take tags off resources; the tags themselves stay.",
    "attach": "Put tags, which are created if missing, on resources.",
    "delete": "Delete key/value tags from workspaces.",
    "jobs": "List, show, watch, control jobs; read their receipts.",
    "events": "Print the completion events, one JSON a line.",
    "load": "Load tags and links in bulk from NDJSON; safe to repeat.",
    "migrate": "Create or upgrade the store's schema.",
    "map": "Map tag tables of your own: write a map, check it.",
    "keys": "Create, list or revoke credentials for the gateway.",
    "config": "Show which store, broker and gateway commands use, and why.",
    "serve": "Serve HTTP in front of a broker.",
    "up": "Run gateway and worker in one process: HTTP with nothing to set up.",
    "worker": "Run a worker: everything that has to run behind the broker.",
    "doctor": "Check the installation: what is wrong, and what to do about it.",
    "demo": "See it all work in half a minute, without any server.",
}

#: the extra of a command that needs more than the first module that it lacks comes with
EXTRAS = {"serve": "gateway", "up": "gateway"}
#: what runs tagsweep itself: its settings are those of its environment, never a person's profile
SERVERS = ("migrate", "map", "serve", "up", "worker", "demo")

HELP = """
Removes tags from very many resources as background jobs, and reports when it is done.

With nothing set, everything is embedded: the store is tagsweep.db in the current folder, and the \
command itself does the work. TAGSWEEP_DATABASE_URL (postgresql://...) and TAGSWEEP_BROKER_URL \
(redis://..., amqp://...) name servers; then `tagsweep worker` does it. With TAGSWEEP_API_KEY, \
detach, attach, delete, jobs and events go through the gateway at TAGSWEEP_URL instead. \
`tagsweep config` shows what is used, and why.

\b
Examples:
  tagsweep demo
  tagsweep load tags.ndjson
  tagsweep detach --tenant acme --name legacy --tables @ids.txt
  tagsweep detach --tenant acme --name pii --sources ID,ID --no-wait
  tagsweep attach --tenant acme --name reviewed --tables @ids.txt
  tagsweep delete --tenant p-1 --workspace w-1,w-2 --tag env=dev --tag owner
  tagsweep jobs list --status running
  tagsweep events --since 10m --follow

Exit status: 0 succeeded, 1 the job ended otherwise or a server is down, 2 wrong use.
"""


class Menu(TyperGroup):
    """Commands by name; ``--help`` loads none of their modules."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that is called, loaded now."""
        name = args[0]
        if name in COMMANDS:
            with extras.required(EXTRAS.get(name)):
                module = importlib.import_module(f"tagsweep.producer.cli.commands.{name}")
            self.commands[name] = _with_profile(typer.main.get_command(module.app))
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=Menu,
    help=HELP,
    rich_markup_mode="rich",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _stub() -> None:
    """Stand in ``--help`` for a command that is not loaded."""


for _name, _summary in COMMANDS.items():
    app.command(_name, help=_summary)(_stub)


def _use_profile(context: typer.Context, given: str | None) -> None:
    """Use the profile that is named after the command or before it, or the default one."""
    name = given if given is not None else context.find_root().params.get("profile")
    command = context.command_path.split()[1]
    if command not in SERVERS:
        profiles.use(name)
    elif name is not None:
        raise WrongUse(
            f"--profile: `tagsweep {command}` is no client: set its environment instead."
        )


def _with_profile(command: Any) -> Any:
    """Give ``command``, or each of its subcommands, the option --profile."""
    if isinstance(command, TyperGroup):
        for each in command.commands.values():
            _with_profile(each)
    else:
        command.params.append(_profile_option())
    return command


def _profile_option() -> Any:
    app = typer.Typer()

    @app.command()
    def bearer(*, profile: Annotated[str | None, PROFILE_OF_COMMAND] = None) -> None:
        """Bear the option."""

    return typer.main.get_command(app).params[0]


PROFILE_HELP = "Settings by this name in ~/.config/tagsweep/config.toml."
PROFILE_OF_COMMAND = typer.Option(
    "--profile",
    metavar="P",
    help=PROFILE_HELP,
    callback=_use_profile,
    is_eager=True,
    expose_value=False,
)


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
        str | None, typer.Option("--profile", metavar="P", help=PROFILE_HELP)
    ] = None,
    version: Annotated[  # noqa: ARG001  # done by its callback
        bool,
        typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main() -> None:
    """Run ``tagsweep`` with the arguments of this process, and exit with its status."""
    settings.refuse_unknown(lambda line: typer.echo(f"tagsweep: {line}", err=True))
    redaction.guard("stderr")  # stdout is for results, which are the caller's own data
    sys.exit(_run())


def _run() -> int:
    """Return the exit status; every error that a person can fix is one line on stderr."""
    try:
        with extras.required():
            status = app(prog_name="tagsweep", standalone_mode=False)
        sys.stdout.flush()
    except WrongUse as wrong:
        status = _complain(WRONG_USE, *wrong.faults)
    except (CannotUndo, Forgotten, InvalidJob, MissingExtra, NoSuchJob, SettingsError) as error:
        status = _complain(WRONG_USE, str(error))
    except TagsweepError as error:
        status = _complain(UNFINISHED if isinstance(error, Unfinished) else FAILED, str(error))
    except TyperException as error:
        status = _complain(error.exit_code, _usage(error))
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    except KeyboardInterrupt:
        status = INTERRUPTED
    return status if isinstance(status, int) else 0


def _usage(error: TyperException) -> str:
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "tagsweep"
    return f"{' '.join(error.format_message().split())} See `{path} --help`."


def _complain(status: int, *lines: str) -> int:
    for line in lines:
        typer.echo(f"tagsweep: {line}", err=True)
    return status
