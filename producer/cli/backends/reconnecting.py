"""Wait for a server that is away, while a job that is recorded is looked at."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

from tagsweep.producer.cli.input.errors import WrongUse
from tagsweep.producer.cli.output import terminal
from tagsweep.worker.errors import (
    Forgotten,
    NoSuchJob,
    SchemaMismatch,
    SettingsError,
    TagsweepError,
)

T = TypeVar("T")

#: how long a server may be away
PATIENCE_S = 600.0
#: between two attempts
PAUSE_S = 0.5
#: errors that waiting does not cure
FINAL = (SchemaMismatch, SettingsError, WrongUse)

RECORDED = "Job {id} is recorded and continues"
SHOWN = "`tagsweep jobs watch {id}` shows how it ends."


class Unfinished(TagsweepError):
    """The job is recorded, and had not ended when the command stopped waiting."""


def until_available(job_id: UUID, step: Callable[[], T], known: str = RECORDED) -> T:
    """Return what ``step`` returns, trying it again while a server is away.

    Says so once, with what is ``known`` of the job. Raises NoSuchJob, Forgotten; Unfinished if
    waiting longer does not help.
    """
    known = known.format(id=job_id)
    began: float | None = None
    while True:
        try:
            result = step()
        except (NoSuchJob, Forgotten):
            raise
        except (TagsweepError, *FINAL) as error:
            now = time.monotonic()
            if isinstance(error, FINAL) or (began is not None and now - began > PATIENCE_S):
                raise Unfinished(f"{error} {known}: {SHOWN.format(id=job_id)}") from error
            if began is None:
                terminal.say(f"{error} {known}; trying again until the server is back.")
                began = now
            time.sleep(PAUSE_S)
            continue
        if began is not None:
            terminal.say(f"The server is back: job {job_id} can be seen again.")
        return result
