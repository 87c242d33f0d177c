"""A job as it was typed: valid as a whole, or refused with each fault in the typist's terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tagsweep.producer.cli.input import errors
from tagsweep.producer.cli.input.errors import WrongUse
from tagsweep.producer.cli.input.id_lists import Reader
from tagsweep.worker.errors import InvalidJob, ItemError
from tagsweep.worker.models.jobs import Job

#: fields of a job whose option is spelt otherwise
OPTIONS = {
    "names": "--name",
    "workspaces": "--workspace",
    "tags": "--tag",
    "sys_tags": "--sys-tag",
}


def build(
    model: type[Job], body: Mapping[str, Any], reader: Reader, typed: Mapping[str, Sequence[str]]
) -> Job:
    """Return the job that ``body`` describes; its lists were read by ``reader``.

    ``typed``: for options that may be repeated, what stood behind each. Raises WrongUse with all
    faults, those of the lists included.
    """
    wrong: list[ItemError] = []
    try:
        job = model.parse({name: value for name, value in body.items() if value is not None})
    except InvalidJob as invalid:
        wrong = invalid.errors
    else:
        if not reader.faults:
            return job
    told = [_worded(error, body, typed) for error in wrong[: errors.MOST]]
    raise WrongUse(*reader.faults, *told)


def option(field: str) -> str:
    """Return the option that gives the job's ``field``."""
    return OPTIONS.get(field, "--" + field.replace("_", "-"))


def _worded(error: ItemError, body: Mapping[str, Any], typed: Mapping[str, Sequence[str]]) -> str:
    field, *steps = error["path"].lstrip("/").split("/")
    where = option(field)
    if not field:  # of the whole job
        where = "--tag, --sys-tag" if "tags" in body else ""
    if steps and field in typed:
        at = int(steps[0])
        within = "".join(f" {step}:" for step in steps[1:])
        return f"{where}: item {at + 1} {errors.shown(typed[field][at])}:{within} {error['reason']}"
    value = body.get(field)
    what = f" {errors.shown(value)}" if isinstance(value, str) else ""
    return f"{where}{what}: {error['reason']}".removeprefix(": ")
