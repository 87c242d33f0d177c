"""What a gateway refuses, worded for whoever typed the command: the option, the key, the time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tagsweep.producer.cli.backends.http import Refused
from tagsweep.producer.cli.input import errors
from tagsweep.producer.cli.input.errors import WrongUse
from tagsweep.producer.cli.input.job import fault
from tagsweep.worker.errors import (
    CannotUndo,
    Forgotten,
    NoSuchJob,
    SettingsError,
    TagsweepError,
)
from tagsweep.worker.models.jobs import Job, UndoJob

UNAUTHORIZED, FORBIDDEN, TOO_LARGE, BUSY = 401, 403, 413, (429, 503)
BAD = (400, 415, 422)
#: the errors of an undo that is refused
UNDO_ERRORS = {404: NoSuchJob, 409: CannotUndo, 410: Forgotten}
#: characters that are shown of a sentence of somebody else's
WIDE = 300


def worded(refused: Refused, url: str, job: Job | None = None) -> Exception:
    """Return the error to raise for what the gateway at ``url`` refused of ``job``."""
    detail = _detail(refused)
    if refused.status in BUSY:
        after = refused.retry_after or "a few"
        message = f"The gateway at {url} cannot do that now: {detail} Try again in {after} seconds."
        return TagsweepError(message)
    if refused.body is not None and isinstance(job, UndoJob) and refused.status in UNDO_ERRORS:
        return UNDO_ERRORS[refused.status](detail)
    if refused.body is None:
        message = f"What answers at {url} is not a tagsweep gateway ({refused.status}): "
        return TagsweepError(message + "set TAGSWEEP_URL to where it is.")
    if refused.status == UNAUTHORIZED:
        return SettingsError(
            f"TAGSWEEP_API_KEY is refused by the gateway at {url}: {detail} `tagsweep keys create` "
            "makes one, where its store is."
        )
    if refused.status in (FORBIDDEN, TOO_LARGE, *BAD):
        return WrongUse(*_faults(refused, detail, job))
    return TagsweepError(f"The gateway at {url} failed ({refused.status}): {detail}")


def _faults(refused: Refused, detail: str, job: Job | None) -> list[str]:
    if refused.status == FORBIDDEN:
        return list(_forbidden(detail, job).faults)
    if refused.status == TOO_LARGE:
        return [f"The list is too long for the gateway: {detail} Send it in parts."]
    return _errors(refused) or [f"The gateway refuses the request: {detail}"]


def _forbidden(detail: str, job: Job | None) -> WrongUse:
    if job is None or isinstance(job, UndoJob):
        return WrongUse(f"The key in TAGSWEEP_API_KEY does not allow that: {detail}")
    if "sys_tags" in detail:
        return WrongUse(
            "--sys-tag: the key in TAGSWEEP_API_KEY lacks the operator right: use one that has it."
        )
    return foreign(job.tenant)


def foreign(tenant: str) -> WrongUse:
    """Return the error for a key that belongs to another tenant."""
    return WrongUse(
        f"--tenant {errors.shown(tenant)}: the key in TAGSWEEP_API_KEY belongs to another tenant: "
        "use that tenant, or a key of this one."
    )


def _detail(refused: Refused) -> str:
    body = refused.body or {}
    detail = body.get("detail") or body.get("title") or f"Status {refused.status}."
    return _plain(detail)


def _plain(text: object) -> str:
    """Return ``text``, which is somebody else's, as part of one line."""
    line = " ".join(str(text).split())[:WIDE]
    return "".join(character for character in line if character.isprintable())


def _errors(refused: Refused) -> list[str]:
    """Return the errors of single fields, from our own problem document or in DRF's shape."""
    body = refused.body or {}
    listed = body.get("errors")
    if isinstance(listed, list):
        pairs = [(str(error.get("path", "")), error.get("reason")) for error in listed if error]
    elif "detail" in body:
        return []
    else:
        pairs = list(_nested("", body))
    return [fault(path, _plain(reason)) for path, reason in pairs[: errors.MAX_FAULTS]]


def _nested(path: str, value: Any) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _nested(f"{path}/{name}", inner)
    elif isinstance(value, list):
        for reason in value:
            yield path, reason
    else:
        yield path, value
