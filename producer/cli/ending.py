"""How a command ends: its exit status, and one line on stderr for what a person can mend."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from typer.exceptions import TyperException

from tagsweep.producer.cli.backends.reconnecting import Unfinished
from tagsweep.producer.cli.exit_status import (
    FAILED,
    INTERRUPTED,
    PIPE_CLOSED,
    UNFINISHED,
    WRONG_USE,
)
from tagsweep.producer.cli.input.errors import MAX_FAULTS, WrongUse
from tagsweep.producer.cli.input.job import fault
from tagsweep.producer.cli.output import stdout, terminal
from tagsweep.producer.cli.output.stdout import OutputLost
from tagsweep.worker import extras
from tagsweep.worker.errors import (
    CannotRun,
    CannotUndo,
    Forgotten,
    InvalidJob,
    NeedsApproval,
    NoSuchJob,
    SettingsError,
    TagsweepError,
)
from tagsweep.worker.extras import MissingExtra

#: what is wrong with what was asked for
REFUSALS = (CannotRun, CannotUndo, Forgotten, MissingExtra, NeedsApproval, NoSuchJob, SettingsError)


def of(command: Callable[[], Any]) -> int:
    """Run ``command`` and return the exit status."""
    try:
        with extras.required():
            status = command()
        sys.stdout.flush()
    except WrongUse as wrong:
        status = _complain(WRONG_USE, *wrong.faults)
    except InvalidJob as invalid:
        faults = [fault(error["path"], error["reason"]) for error in invalid.errors]
        status = _complain(WRONG_USE, *faults[:MAX_FAULTS])
    except REFUSALS as error:
        status = _complain(WRONG_USE, str(error))
    except TagsweepError as error:
        status = _complain(UNFINISHED if isinstance(error, Unfinished) else FAILED, str(error))
    except TyperException as error:
        status = _complain(error.exit_code, _usage(error))
    except OutputLost as lost:
        status = _without_output(lost)
    except KeyboardInterrupt:
        status = INTERRUPTED
    return status if isinstance(status, int) else 0


def _without_output(lost: OutputLost) -> int:
    """Return the exit status of a command whose output cannot be written."""
    stdout.drop_what_cannot_be_written()  # what is left of it, at the end of this process
    if lost.is_pipe:  # whoever read it has seen enough
        return PIPE_CLOSED
    done = terminal.outcome
    status = FAILED if done.status is None else done.status
    return _complain(status, f"Cannot write to stdout: {lost}. {done.told}".rstrip())


def _usage(error: TyperException) -> str:
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "tagsweep"
    return f"{' '.join(error.format_message().split())} See `{path} --help`."


def _complain(status: int, *lines: str) -> int:
    for line in lines:
        terminal.say(f"tagsweep: {line}")
    return status
