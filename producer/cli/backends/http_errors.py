"""What a gateway refuses, in the words of who typed the command: the option, the key, the time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tagsweep.producer.cli.backends.http import Refused
from tagsweep.producer.cli.input import errors
from tagsweep.producer.cli.input import job as request
from tagsweep.producer.cli.input.errors import WrongUse
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
#: why a job cannot be undone
UNDONE = {404: NoSuchJob, 409: CannotUndo, 410: Forgotten}
#: characters of a foreign sentence that are shown
WIDE = 300


def worded(refused: Refused, url: str, job: Job | None = None) -> Exception:
    """Return the error to raise for what the gateway at ``url`` refused of ``job``."""
    detail = _detail(refused)
    if refused.status in BUSY:
        after = refused.retry_after or "a few"
        message = f"The gateway at {url} cannot do it now: {detail} Try again in {after} seconds."
        return TagsweepError(message)
    if refused.told is not None and isinstance(job, UndoJob) and refused.status in UNDONE:
        return UNDONE[refused.status](detail)
    if refused.told is None:
        message = f"What answers at {url} is no tagsweep gateway ({refused.status}): "
        return TagsweepError(message + "set TAGSWEEP_URL to where it is.")
    if refused.status == UNAUTHORIZED:
        return SettingsError(
            f"TAGSWEEP_API_KEY is refused by the gateway at {url}: {detail} `tagsweep keys create` "
            "makes one, beside its store."
        )
    if refused.status in (FORBIDDEN, TOO_LARGE, *BAD):
        return WrongUse(*_faults(refused, detail, job))
    return TagsweepError(f"The gateway at {url} failed ({refused.status}): {detail}")


def _faults(refused: Refused, detail: str, job: Job | None) -> list[str]:
    if refused.status == FORBIDDEN:
        return [_forbidden(detail, job)]
    if refused.status == TOO_LARGE:
        return [f"The list is too long for the gateway: {detail} Send it in parts."]
    return _errors(refused) or [f"The gateway refuses the request: {detail}"]


def _forbidden(detail: str, job: Job | None) -> str:
    if job is None:
        return f"TAGSWEEP_API_KEY does not allow that: {detail}"
    if isinstance(job, UndoJob):
        return f"The key in TAGSWEEP_API_KEY does not allow that: {detail}"
    if "sys_tags" in detail:
        return (
            "--sys-tag: the key in TAGSWEEP_API_KEY has not the operator right: use one that has."
        )
    return foreign(job.tenant)


def foreign(tenant: str) -> str:
    """Return that the key is not this tenant's."""
    return (
        f"--tenant {errors.shown(tenant)}: the key in TAGSWEEP_API_KEY is another tenant's: "
        "use that tenant, or a key of this one."
    )


def _detail(refused: Refused) -> str:
    told = refused.told or {}
    detail = told.get("detail") or told.get("title") or f"Status {refused.status}."
    return _plain(detail)


def _plain(text: object) -> str:
    """Return somebody else's ``text`` as a part of one line."""
    line = " ".join(str(text).split())[:WIDE]
    return "".join(one for one in line if one.isprintable())


def _errors(refused: Refused) -> list[str]:
    """Return the faults of single fields, as our own problems or as DRF tells them."""
    told = refused.told or {}
    listed = told.get("errors")
    if isinstance(listed, list):
        pairs = [(str(one.get("path", "")), one.get("reason")) for one in listed if one]
    elif "detail" in told:
        return []
    else:
        pairs = list(_nested("", told))
    return [_fault(path, _plain(reason)) for path, reason in pairs[: errors.MOST]]


def _nested(path: str, told: Any) -> Iterator[tuple[str, object]]:
    if isinstance(told, dict):
        for name, inner in told.items():
            yield from _nested(f"{path}/{name}", inner)
    elif isinstance(told, list):
        for reason in told:
            yield path, reason
    else:
        yield path, told


def _fault(path: str, reason: str) -> str:
    field, _, rest = path.lstrip("/").partition("/")
    if not field or field == "non_field_errors":
        return reason
    within = errors.place(f"/{rest}") if rest else ""
    return f"{request.option(field)}{', ' * bool(within)}{within}: {reason}"
