"""From the bytes of a body to a valid job: pure functions, called in this process or another.

The JSON decoder is C code that lets no other thread run: a million ids take half a second, in which
an event loop in the same process stands still. So long bodies are decoded in another process.
"""

from __future__ import annotations

import codecs
import json
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tagsweep.worker.errors import InvalidJob, ItemError
from tagsweep.worker.mapping import checking
from tagsweep.worker.models.fields import NO_IDENTIFIER, NewTag, identifies
from tagsweep.worker.models.ids import RESOURCE_TYPES, count
from tagsweep.worker.models.jobs import (
    KINDS,
    DeleteJob,
    DetachJob,
    Job,
    SetJob,
    parse_job,
)

#: no object of any contract has more members
MAX_MEMBERS = 100
#: limits of the batch delete contract
MAX_TAGS, MAX_SYS_TAGS = 20, 1
MAX_KEY, MAX_VALUE = 128, 255
#: what a key and a value that are created may consist of, beside letters and digits
_SIGNS = " \t_.:/=+-@"
CHARACTERS = "Only letters, digits, spaces and _ . : / = + - @ are allowed."
SYSTEM_KEY = "_sys_enterprise_project_id"
FOREIGN = "The credential belongs to another tenant."
REQUESTED_BY = "The credential says who asks: leave out requested_by."


@dataclass(frozen=True, slots=True)
class Faulty:
    """Why a body is not a job: it is not JSON, or these parts of it are wrong."""

    unreadable: str | None
    errors: list[ItemError]
    forbidden: str | None = None  #: why it may not say what it says


@dataclass(frozen=True, slots=True)
class Form:
    """What a body must look like, and what is already known of its job."""

    door: str  #: ``detach``, ``attach``, ``batch_delete``, ``batch_create``, ``job``
    tenant: str
    max_ids: int
    workspace: str | None = None


class NotJson(ValueError):
    """The body is not unambiguous JSON."""


def parse(body: bytes | Path, form: Form) -> Job | Faulty:
    """Return the job in ``body``, or in the file of that name; or what is wrong with it."""
    try:
        value = decode(body if isinstance(body, bytes) else body.read_bytes())
    except NotJson as error:
        return Faulty(str(error), [])
    if form.door == "job" and isinstance(value, dict):
        theirs = value.get("tenant", form.tenant)
        if isinstance(theirs, str) and theirs != form.tenant:
            return Faulty(None, [], forbidden=FOREIGN)
    if form.door == "job" and isinstance(value, dict) and "requested_by" in value:
        return Faulty(None, [], forbidden=REQUESTED_BY)
    try:
        job = _DOORS[form.door](value, form)
        checking.check(job)
        _within(job, form.max_ids)
    except InvalidJob as invalid:
        return Faulty(None, invalid.errors)
    return job


def decode(body: bytes) -> Any:
    """Return the JSON value of ``body``; raises NotJson.

    Refused: encodings other than UTF-8, NaN and Infinity, a name twice in an object, numbers of
    thousands of digits, nesting too deep for the stack. An empty body is an empty object; a byte
    order mark is skipped.
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
    if len(pairs) > MAX_MEMBERS:
        raise NotJson(f"an object has more than {MAX_MEMBERS} members")
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise NotJson(f"an object has the name {twice[:60]!a} twice")
    return members


def _refuse_constant(name: str) -> Any:
    raise NotJson(f"{name} is not a JSON value")


def _tagging(value: Any, form: Form) -> Job:
    return _build(
        KINDS[form.door], value, {"tenant": form.tenant}, {"names", "resources", *RESOURCE_TYPES}
    )


def _of_workspace(model: type[Job], value: Any, form: Form) -> Job:
    if not isinstance(value, dict):
        return model.parse(value)
    # null is the same as absent for these two; a field that is not in the contract is still refused
    lists = ("tags", "sys_tags")
    given = {name: field for name, field in value.items() if field is not None or name not in lists}
    faults = _out_of_bounds(given, "tags", MAX_TAGS)
    faults += _out_of_bounds(given, "sys_tags", MAX_SYS_TAGS)
    if faults:
        raise InvalidJob(faults)
    known = {"tenant": form.tenant, "workspaces": [form.workspace]}
    return _build(model, given, known, {"tags", "sys_tags"})


def _batch_create(value: Any, form: Form) -> Job:
    job = _of_workspace(SetJob, value, form)
    faults = [
        {"path": f"/{name}/{at}/{part}", "code": code, "reason": reason}
        for name in ("tags", "sys_tags")
        for at, tag in enumerate(getattr(job, name))
        for part, code, reason in _unfit(tag, system=name == "sys_tags")
    ]
    keys = [tag["key"] for tag in value.get("tags") or []]
    faults += [
        {"path": f"/tags/{at}/key", "code": "duplicate_key", "reason": "This key is given twice."}
        for at, key in enumerate(keys)
        if key in keys[:at]
    ]
    if faults:
        raise InvalidJob(faults)  # type: ignore[arg-type]  # each has the three members
    return job


def _unfit(tag: NewTag, *, system: bool) -> Iterator[tuple[str, str, str]]:
    """Yield what the contract does not take of a tag to create: the part, a code, the reason."""
    for part, text, most in (("key", tag.key, MAX_KEY), ("value", tag.value, MAX_VALUE)):
        if len(text) > most:
            yield part, "max_length", f"Ensure this field has no more than {most} characters."
        if not all(each in _SIGNS or unicodedata.category(each)[0] in "LMN" for each in text):
            yield part, "invalid_characters", CHARACTERS
    if system and tag.key != SYSTEM_KEY:
        yield "key", "invalid_choice", f"Must be {SYSTEM_KEY}."
    if system and not identifies(tag.value):
        yield "value", "invalid_id", NO_IDENTIFIER


def _out_of_bounds(given: Mapping[str, Any], name: str, limit: int) -> list[ItemError]:
    tags = given.get(name)
    if not isinstance(tags, list) or 1 <= len(tags) <= limit:
        return []
    wanted = "exactly 1" if limit == 1 else f"1 to {limit}"
    reason = f"There must be {wanted} in {name}, not {len(tags)}."
    return [{"path": f"/{name}", "code": "length", "reason": reason}]


def _job(value: Any, form: Form) -> Job:
    if not isinstance(value, dict):
        return DetachJob.parse(value)  # raises what is wrong with anything but an object
    return parse_job({**value, "tenant": value.get("tenant", form.tenant)})


_DOORS: dict[str, Callable[[Any, Form], Job]] = {
    "detach": _tagging,
    "attach": _tagging,
    "batch_delete": partial(_of_workspace, DeleteJob),
    "batch_create": _batch_create,
    "job": _job,
}


def _build(model: type[Job], value: Any, known: Mapping[str, Any], fields: Collection[str]) -> Job:
    """Return the job in ``value``, which may have only ``fields``; the rest is ``known``."""
    if not isinstance(value, dict):
        return model.parse(value)
    # a field that jobs have, but not this contract, is unknown here like any other
    hidden = (set(model.model_fields) & value.keys()) - set(fields)
    faults = [unknown_field(name) for name in sorted(hidden)]
    visible = {name: field for name, field in value.items() if name not in hidden}
    try:
        job = model.parse({**visible, **known})
    except InvalidJob as invalid:
        raise InvalidJob([*invalid.errors, *faults]) from None
    if faults:
        raise InvalidJob(faults)
    return job


def unknown_field(name: str) -> ItemError:
    """Return the error of a field that is not one of the contract."""
    return {"path": f"/{name}", "code": "unknown_field", "reason": "Unknown field."}


def _within(job: Job, limit: int) -> None:
    lists = (*job.packed().values(), *job.packed_resources().values())
    ids = sum(map(count, lists)) + len(job.workspace_ids())
    if ids > limit:
        reason = f"Ensure all lists together have no more than {limit} ids; these have {ids}."
        raise InvalidJob([{"path": "", "code": "max_length", "reason": reason}])
