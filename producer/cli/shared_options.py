"""The options that every command has: ``--output``, ``--json``, ``--profile``."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from tagsweep.producer.cli.input import errors, profiles
from tagsweep.producer.cli.input.errors import WrongUse
from tagsweep.producer.cli.output import forms
from tagsweep.producer.cli.submission import suggestions

#: what runs tagsweep itself: its settings are those of its environment, never a person's profile
SERVERS = ("migrate", "map", "serve", "up", "worker", "demo")
#: those that run whatever becomes of their output, and have no result to print
LONG_RUNNING = ("serve", "up", "worker")

PROFILE_HELP = "Settings by this name in ~/.config/tagsweep/config.toml."
OUTPUT_HELP = f"The form of the result: {', '.join(forms.FORMS)}."


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


def _choose_form(context: typer.Context, given: str | None) -> None:
    if given is None:
        return
    if given not in forms.FORMS:
        choice = ", ".join(forms.FORMS)
        raise WrongUse(f"--output {errors.shown(given)}: must be one of {choice}.")
    _choose(context, given)


def _choose_json(context: typer.Context, given: bool) -> None:  # noqa: FBT001  # typer calls it so
    if given:
        _choose(context, forms.JSON)


def _choose(context: typer.Context, form: str) -> None:
    other = forms.chosen(form)
    if other != form:
        raise WrongUse(f"--output {other} and --output {form}: give one of them.")
    if context.command_path.split()[1] in LONG_RUNNING:
        raise WrongUse(f"`{context.command_path}` has no result to print as {form}.")
    forms.choose(form)


#: eager: it is in use before the other options are read
Profile = Annotated[
    str | None,
    typer.Option(
        metavar="P", help=PROFILE_HELP, callback=_use_profile, is_eager=True, expose_value=False
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FORM",
        help=OUTPUT_HELP,
        callback=_choose_form,
        expose_value=False,
        autocompletion=suggestions.among(*forms.FORMS),
    ),
]
Json = Annotated[
    bool,
    typer.Option(
        "--json", help="The same as --output json.", callback=_choose_json, expose_value=False
    ),
]


def give(command: Any) -> Any:
    """Give ``command``, or each of its subcommands, these options."""
    if isinstance(command, TyperGroup):
        for each in command.commands.values():
            give(each)
    else:
        command.params += _options()
    return command


def _options() -> list[Any]:
    app = typer.Typer(add_completion=False)

    @app.command()
    def bearer(*, output: Output = None, as_json: Json = False, profile: Profile = None) -> None:
        """Bear the options."""

    return list(typer.main.get_command(app).params)
