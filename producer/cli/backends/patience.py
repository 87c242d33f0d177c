"""Asking for a job that is recorded: a server that is away is waited for, not failed on."""

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
#: between two tries
PAUSE_S = 0.5
#: what is so for good, whoever waits
FINAL = (SchemaMismatch, SettingsError, WrongUse)

RECORDED = "Job {id} is recorded and goes on"
SHOWN = "`tagsweep jobs watch {id}` shows its end."


class Unfinished(TagsweepError):
    """The job is recorded, and had not ended when the wait for it ended."""


def patiently(job_id: UUID, step: Callable[[], T], known: str = RECORDED) -> T:
    """Return what ``step`` returns, however often it has to be tried.

    That it has to is said once, and what is ``known`` of the job. Raises NoSuchJob, Forgotten; and
    Unfinished where no more waiting helps.
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
                terminal.say(f"{error} {known}; it is asked for again till it is there.")
                began = now
            time.sleep(PAUSE_S)
            continue
        if began is not None:
            terminal.say(f"Job {job_id} can be seen again.")
        return result
