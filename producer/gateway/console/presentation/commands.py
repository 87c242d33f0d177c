"""A job as a command line, as a call of curl, and as JSON: to copy, and to do it again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from tagsweep.worker.models.ids import RESOURCE_TYPES

#: options of a job that the command line has too, in the order in which they are given
_VALUES = ("into", "max_affected", "attached_before", "attached_after", "note")
_FLAGS = ("dry_run", "strict", "drop")
_REPEATED = {
    "names": "--name",
    "unless": "--unless",
    "tags": "--tag",
    "sys_tags": "--sys-tag",
}
#: lists of keys with values
_TAGS = ("tags", "sys_tags")
#: what stands for a list that is too long to be shown
_FILE = "@{name}.txt"
_ENTRY = "... {size:,} entries"

#: entries of a list that is shown
SHORT = 20

Shown = dict[str, Any]


def body(shown: Shown, lists: Mapping[str, Sequence[Any]]) -> Shown:
    """Return the job as it is submitted; a list that is not among ``lists`` is only hinted at."""
    request = dict(shown["request"])
    sizes: dict[str, Any] = request.pop("lists")
    given = {"kind": shown["kind"], **request}
    mapped = {}
    for name, size in sizes.items():
        entries = size if size == "*" else list(lists.get(name) or [_ENTRY.format(size=size)])
        if name in (*RESOURCE_TYPES, "workspaces"):
            given[name] = entries
        else:
            mapped[name] = entries
    if mapped:
        given["resources"] = mapped
    if shown.get("note"):
        given["note"] = shown["note"]
    return given


def shortened(job: Shown) -> Shown:
    """Return a job's body with only hints at its long lists."""
    lists = {*RESOURCE_TYPES, "workspaces"}
    short = {name: _short(value) if name in lists else value for name, value in job.items()}
    if "resources" in job:
        short["resources"] = {name: _short(value) for name, value in job["resources"].items()}
    return short


def _short(value: Any) -> Any:
    if isinstance(value, list) and len(value) > SHORT:
        return [_ENTRY.format(size=len(value))]
    return value


def as_json(job: Shown) -> str:
    """Return a job's body as it is read best."""
    return json.dumps(job, indent=2, ensure_ascii=False)


def as_curl(job: Shown, url: str) -> str:
    """Return the call that submits a job."""
    lines = [
        f"curl {shlex.quote(url + '/api/v1/jobs/')}",
        '--header "x-api-key: $TAGSWEEP_API_KEY"',
        "--header 'Content-Type: application/json'",
        f"--data {shlex.quote(json.dumps(job, ensure_ascii=False))}",
    ]
    return " \\\n  ".join(lines)


def as_command(job: Shown, tenant: str | None) -> str | None:
    """Return the command that submits a job; None where none says just this."""
    if not all(_is_typed(tag, job["kind"]) for name in _TAGS for tag in job.get(name, ())):
        return None
    if job["kind"] == "undo":
        return shlex.join(["tagsweep", "jobs", "undo", str(job["job"]), *_options(job)])
    words = ["tagsweep", job["kind"], "--tenant", tenant or "TENANT", *_repeated(job)]
    for name in RESOURCE_TYPES:
        if name in job:
            words += [f"--{name}", _list(name, job[name])]
    words += _workspaces(job)
    for name, entries in job.get("resources", {}).items():
        words += ["--resources", f"{name}={_list(name, entries)}"]
    return shlex.join([*words, *_options(job)])


def left_out(job: Shown) -> list[str]:
    """Return the names of the lists that are only hinted at."""
    lists = {**job, **job.get("resources", {})}
    return [name for name, value in lists.items() if isinstance(value, list) and _is_hint(value)]


def _options(job: Shown) -> list[str]:
    words = []
    for name in _VALUES:
        if job.get(name) is not None:
            words += [_option(name), str(job[name])]
    return words + [_option(name) for name in _FLAGS if job.get(name)]


def _repeated(job: Shown) -> list[str]:
    given = [(option, value) for name, option in _REPEATED.items() for value in job.get(name, ())]
    return [word for option, value in given for word in (option, _tag(value))]


def _workspaces(job: Shown) -> list[str]:
    entries = job.get("workspaces", [])
    if entries == "*" or _is_hint(entries):
        return ["--workspace", _list("workspaces", entries)]
    return [word for entry in entries for word in ("--workspace", str(entry))]


def _list(name: str, entries: Any) -> str:
    if entries == "*":
        return "*"
    return _FILE.format(name=name) if _is_hint(entries) else ",".join(map(str, entries))


def _is_hint(entries: Any) -> bool:
    return len(entries) == 1 and str(entries[0]).startswith("... ")


def _tag(tag: str | Mapping[str, str]) -> str:
    if isinstance(tag, str):
        return tag
    value = tag.get("value")
    return tag["key"] if value is None else f"{tag['key']}={value}"


def _is_typed(tag: Mapping[str, str], kind: str) -> bool:
    """Return whether KEY=VALUE is this tag: a key ends at its first "=", and KEY= deletes any."""
    return "=" not in tag["key"] and (kind != "delete" or tag.get("value") != "")


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
