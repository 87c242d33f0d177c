"""What became of a job, told to a person or as JSON; and the status that the command exits with."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from tagsweep.producer.cli.exit_status import FAILED
from tagsweep.producer.cli.input import errors
from tagsweep.producer.cli.output import terminal

#: tags and errors that are told to a person
MOST = 10


def tell_recorded(job_id: UUID, note: str | None, *, as_json: bool) -> None:
    """Tell that the job is recorded and will be done; ``note``: what else is to be known."""
    if as_json:
        terminal.document({"job_id": str(job_id), "status": "queued"})
    else:
        terminal.tell(str(job_id))
    if note:
        terminal.say(note)


def tell(data: dict[str, Any], *, as_json: bool) -> int:
    """Tell how the job ended; return the exit status: 0 only where it succeeded."""
    if as_json:
        terminal.document(data)
    else:
        for line in _lines(data):
            terminal.tell(line)
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
        *_first("tag", [tag(one) for one in data["tags"]], data.get("tags_truncated", 0)),
        *_first("error", [_error(one) for one in data["errors"]], _hidden_errors(data)),
    ]


def _remaining(data: dict[str, Any]) -> list[str]:
    """Tell of a job that selected all what carries the tags after it."""
    left = data.get("remaining")
    return [] if left is None else [f"  {counted(left, 'item')} still to be found there"]


def tag(shown: dict[str, Any]) -> str:
    """Return a tag of a completion event in one line."""
    if "name" in shown:
        return str(shown["name"])
    system = ", system" if shown.get("system") else ""
    workspaces = counted(shown["workspaces"], "workspace")
    return f"{shown['key']}={shown['value']} ({workspaces}{system})"


def counted(number: int, noun: str) -> str:
    """Return ``number`` with its ``noun``, in the plural where that is due."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def _error(error: dict[str, Any]) -> str:
    where = errors.place(error["path"])
    return f"{where}: {error['reason']}" if where else str(error["reason"])


def _first(label: str, lines: list[str], hidden: int) -> list[str]:
    more = len(lines) - MOST + hidden
    told = [f"  {label}: {line}" for line in lines[:MOST]]
    return [*told, f"  and {more:,} more"] if more > 0 else told


def _hidden_errors(data: dict[str, Any]) -> int:
    return int(data.get("errors_total", len(data["errors"]))) - len(data["errors"])


def _duration(data: dict[str, Any]) -> str:
    if not data["started_at"]:
        return ""
    accepted, finished = (datetime.fromisoformat(data[at]) for at in ("accepted_at", "finished_at"))
    return f", {(finished - accepted).total_seconds():.1f} s"
