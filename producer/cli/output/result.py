"""How a job ended, for people or as JSON; and the exit status of the command."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from tagsweep.producer.cli.exit_status import FAILED
from tagsweep.producer.cli.input import errors
from tagsweep.producer.cli.output import terminal

#: tags and errors that are printed for people
MAX_LINES = 10


def print_recorded(job_id: UUID, note: str | None, *, as_json: bool) -> None:
    """Print that the job is recorded and will be done; ``note``: what else to tell people."""
    if as_json:
        terminal.document({"job_id": str(job_id), "status": "queued"})
    else:
        terminal.write_line(str(job_id))
    if note:
        terminal.say(note)


def print_ended(data: dict[str, Any], *, as_json: bool) -> int:
    """Print how the job ended; return the exit status: 0 only if it succeeded."""
    if as_json:
        terminal.document(data)
    else:
        for line in _lines(data):
            terminal.write_line(line)
    return 0 if data["status"] == "succeeded" else FAILED


def _lines(data: dict[str, Any]) -> list[str]:
    counts = data["counts"]
    parts = ", ".join(f"{value:,} {name}" for name, value in counts.items() if name != "total")
    what = f"{data['kind']} {data['job_id']} of tenant {data['tenant']}"
    if data.get("dry_run"):
        what = f"dry run (nothing is changed) of {what}"
    return [
        f"{data['status']}: {what}{_duration(data)}",
        f"  {counted(counts['total'], 'item')}: {parts}",
        *_remaining(data),
        *_first("tag", [tag(shown) for shown in data["tags"]], data.get("tags_truncated", 0)),
        *_first("error", [_error(error) for error in data["errors"]], _hidden_errors(data)),
    ]


def _remaining(data: dict[str, Any]) -> list[str]:
    """Return, for a job that selected everything, how much carries the tags after it."""
    left = data.get("remaining")
    if left is None:
        return []
    return [f"  {counted(left, 'item')} still {'carries' if left == 1 else 'carry'} the tags"]


def tag(shown: dict[str, Any]) -> str:
    """Return a tag of a completion event in one line."""
    if "name" in shown:
        return str(shown["name"])
    system = ", system" if shown.get("system") else ""
    workspaces = counted(shown["workspaces"], "workspace")
    return f"{shown['key']}={shown['value']} ({workspaces}{system})"


def counted(number: int, noun: str) -> str:
    """Return ``number`` with its ``noun``, in the plural unless it is 1."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def _error(error: dict[str, Any]) -> str:
    where = errors.place(error["path"])
    return f"{where}: {error['reason']}" if where else str(error["reason"])


def _first(label: str, lines: list[str], hidden: int) -> list[str]:
    more = len(lines) - MAX_LINES + hidden
    first = [f"  {label}: {line}" for line in lines[:MAX_LINES]]
    return [*first, f"  and {more:,} more"] if more > 0 else first


def _hidden_errors(data: dict[str, Any]) -> int:
    return int(data.get("errors_total", len(data["errors"]))) - len(data["errors"])


def _duration(data: dict[str, Any]) -> str:
    if not data["started_at"]:
        return ""
    accepted, finished = (datetime.fromisoformat(data[at]) for at in ("accepted_at", "finished_at"))
    return f", {(finished - accepted).total_seconds():.1f} s"
