"""The job that was typed: valid as a whole, or refused with every error, by option and item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tagsweep.producer.cli.input import errors
from tagsweep.producer.cli.input.errors import WrongUse
from tagsweep.producer.cli.input.id_lists import Reader
from tagsweep.worker.errors import InvalidJob, ItemError
from tagsweep.worker.models.jobs import Job

#: fields of a job whose option is spelt differently
OPTIONS = {
    "names": "--name",
    "workspaces": "--workspace",
    "tags": "--tag",
    "sys_tags": "--sys-tag",
}


def build_job(
    model: type[Job], body: Mapping[str, Any], reader: Reader, typed: Mapping[str, Sequence[str]]
) -> Job:
    """Return the job that ``body`` describes, whose lists ``reader`` has read.

    ``typed``: the values of options that may be repeated, as typed. Raises WrongUse with all
    errors, those of the lists included.
    """
    wrong: list[ItemError] = []
    try:
        job = model.parse({name: value for name, value in body.items() if value is not None})
    except InvalidJob as invalid:
        wrong = invalid.errors
    else:
        if not reader.faults:
            return job
    faults = [_worded(error, body, typed) for error in wrong[: errors.MAX_FAULTS]]
    raise WrongUse(*reader.faults, *faults)


def option_of(field: str) -> str:
    """Return the option that gives the job's ``field``."""
    return OPTIONS.get(field, "--" + field.replace("_", "-"))


def fault(path: str, reason: str) -> str:
    """Return what is wrong with the part of a job that a JSON Pointer names, by its option."""
    field, _, rest = path.lstrip("/").partition("/")
    if not field or field == "non_field_errors":
        return reason
    within = errors.place(f"/{rest}") if rest else ""
    return f"{option_of(field)}{', ' * bool(within)}{within}: {reason}"


def _worded(error: ItemError, body: Mapping[str, Any], typed: Mapping[str, Sequence[str]]) -> str:
    field, *steps = error["path"].lstrip("/").split("/")
    where = option_of(field)
    if not field:  # it is about the whole job
        where = "--tag, --sys-tag" if "tags" in body else ""
    if steps and field in typed:
        at = int(steps[0])
        within = "".join(f" {step}:" for step in steps[1:])
        return f"{where}: item {at + 1} {errors.shown(typed[field][at])}:{within} {error['reason']}"
    value = body.get(field)
    what = f" {errors.shown(value)}" if isinstance(value, str) else ""
    return f"{where}{what}: {error['reason']}".removeprefix(": ")
