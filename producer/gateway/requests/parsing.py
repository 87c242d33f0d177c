"""From the bytes of a body to a valid job: pure functions, done in this process or in another.

JSON is decoded in C without ever letting other threads run: a million ids take half a second in
which an event loop in the same process stands still. So long bodies are decoded elsewhere.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tagsweep.worker.errors import InvalidJob, ItemError
from tagsweep.worker.models.ids import RESOURCE_TYPES, count
from tagsweep.worker.models.jobs import (
    KINDS,
    DeleteJob,
    DetachJob,
    Job,
    parse_job,
)

#: more members than that has no object of any contract
MOST_MEMBERS = 100
#: of the batch delete contract
MOST_TAGS, MOST_SYS_TAGS = 20, 1


@dataclass(frozen=True, slots=True)
class Faulty:
    """Why a body is no job: it is no JSON, or these of its parts are wrong."""

    unreadable: str | None
    errors: list[ItemError]
    foreign_tenant: bool = False


@dataclass(frozen=True, slots=True)
class Form:
    """What a body has to look like, and what is known of its job already."""

    door: str  #: ``detach``, ``attach``, ``batch_delete`` or ``job``
    tenant: str
    most_ids: int
    workspace: str | None = None


class NotJson(ValueError):
    """The body is not JSON that can mean only one thing."""


def parse(body: bytes | Path, form: Form) -> Job | Faulty:
    """Return the job in ``body``, or in the file of this name; or what is wrong with it."""
    try:
        value = decode(body if isinstance(body, bytes) else body.read_bytes())
    except NotJson as error:
        return Faulty(str(error), [])
    if form.door == "job" and isinstance(value, dict):
        theirs = value.get("tenant", form.tenant)
        if isinstance(theirs, str) and theirs != form.tenant:
            return Faulty(None, [], foreign_tenant=True)
    try:
        job = _DOORS[form.door](value, form)
        _within(job, form.most_ids)
    except InvalidJob as invalid:
        return Faulty(None, invalid.errors)
    return job


def decode(body: bytes) -> Any:
    """Return the JSON value that ``body`` is; raises NotJson.

    Refused: other encodings than UTF-8, NaN and Infinity, a name twice in one object, numbers of
    thousands of digits, nesting that no stack holds. An empty body is an empty object; a byte order
    mark before it is passed over.
    """
    body = body.removeprefix(codecs.BOM_UTF8)
    if not body:
        return {}
    try:
        return json.loads(
            body.decode(), object_pairs_hook=_members, parse_constant=_refuse_constant
        )
    except UnicodeDecodeError:
        raise NotJson("the body is not UTF-8") from None
    except RecursionError:
        raise NotJson("nested too deep") from None
    except ValueError as error:
        raise NotJson(str(error)[:200]) from None


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > MOST_MEMBERS:
        raise NotJson(f"an object has more than {MOST_MEMBERS} members")
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise NotJson(f"an object has the name {twice[:60]!a} twice")
    return members


def _refuse_constant(name: str) -> Any:
    raise NotJson(f"{name} is no JSON value")


def _tagging(value: Any, form: Form) -> Job:
    return _build(KINDS[form.door], value, {"tenant": form.tenant}, {"names", *RESOURCE_TYPES})


def _batch_delete(value: Any, form: Form) -> Job:
    if not isinstance(value, dict):
        return DeleteJob.parse(value)
    # null is as good as not given for these two; a field that is not the contract's stays refused
    lists = ("tags", "sys_tags")
    given = {name: one for name, one in value.items() if one is not None or name not in lists}
    faults = _out_of_bounds(given, "tags", MOST_TAGS)
    faults += _out_of_bounds(given, "sys_tags", MOST_SYS_TAGS)
    if faults:
        raise InvalidJob(faults)
    known = {"tenant": form.tenant, "workspaces": [form.workspace]}
    return _build(DeleteJob, given, known, {"tags", "sys_tags"})


def _out_of_bounds(given: Mapping[str, Any], name: str, most: int) -> list[ItemError]:
    tags = given.get(name)
    if not isinstance(tags, list) or 1 <= len(tags) <= most:
        return []
    wanted = "exactly 1" if most == 1 else f"1 to {most}"
    reason = f"There must be {wanted} in {name}, not {len(tags)}."
    return [{"path": f"/{name}", "code": "length", "reason": reason}]


def _job(value: Any, form: Form) -> Job:
    if not isinstance(value, dict):
        return DetachJob.parse(value)  # raises what is wrong with anything but an object
    return parse_job({**value, "tenant": value.get("tenant", form.tenant)})


_DOORS = {"detach": _tagging, "attach": _tagging, "batch_delete": _batch_delete, "job": _job}


def _build(model: type[Job], value: Any, known: Mapping[str, Any], fields: Collection[str]) -> Job:
    """Return the job in ``value``, which may have only ``fields``; the rest of it is ``known``."""
    if not isinstance(value, dict):
        return model.parse(value)
    # a field of the job that is not the contract's is unknown here, like any other
    hidden = (set(model.model_fields) & value.keys()) - set(fields)
    faults: list[ItemError] = [
        {"path": f"/{name}", "code": "unknown_field", "reason": "Unknown field."}
        for name in sorted(hidden)
    ]
    visible = {name: one for name, one in value.items() if name not in hidden}
    try:
        job = model.parse({**visible, **known})
    except InvalidJob as invalid:
        raise InvalidJob([*invalid.errors, *faults]) from None
    if faults:
        raise InvalidJob(faults)
    return job


def _within(job: Job, most: int) -> None:
    ids = sum(count(packed) for packed in job.packed().values()) + len(job.workspace_ids())
    if ids > most:
        reason = f"Ensure all lists together have no more than {most} ids; these have {ids}."
        raise InvalidJob([{"path": "", "code": "max_length", "reason": reason}])
