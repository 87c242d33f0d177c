"""How a job ended, for people or as JSON; and the exit status of the command."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from tagsweep.producer.cli.exit_status import FAILED, WRONG_USE
from tagsweep.producer.cli.input import errors
from tagsweep.producer.cli.output import forms, terminal
from tagsweep.worker.errors import NeedsApproval

#: tags and errors that are printed for people
MAX_LINES = 10


def print_recorded(job_id: UUID, note: str | None) -> None:
    """Print that the job is recorded and will be done; ``note``: what else to tell people."""
    terminal.settle(0, f"Job {job_id} is recorded.")
    recorded = {"job_id": str(job_id), "status": "queued"}
    forms.show(recorded, [str(job_id)])
    if note:
        terminal.say(note)


def print_ended(data: dict[str, Any]) -> int:
    """Print how the job ended; return the exit status: 0 only if it succeeded.

    Its warnings go to stderr.
    """
    exit_status = 0 if data["status"] == "succeeded" else FAILED
    if any(error["code"] == NeedsApproval.code for error in data["errors"]):
        exit_status = WRONG_USE
    terminal.settle(exit_status, f"Job {data['job_id']} ended {data['status']}.")
    for warning in data.get("warnings", []):
        terminal.say(f"Warning: {worded(warning)}")
    forms.show(data, _lines(data))
    return exit_status


def _lines(data: dict[str, Any]) -> list[str]:
    counts = data["counts"]
    parts = ", ".join(f"{value:,} {name}" for name, value in counts.items() if name != "total")
    what = f"{data['kind']} {data['job_id']} of tenant {data['tenant']}"
    if data.get("dry_run"):
        what = f"dry run (nothing is changed) of {what}"
    return [
        f"{data['status']}: {what}{_duration(data)}",
        f"  {terminal.counted(counts['total'], 'item')}: {parts}",
        *_remaining(data),
        *_first("tag", [tag(shown) for shown in data["tags"]], data.get("tags_truncated", 0)),
        *_first("error", [worded(error) for error in data["errors"]], _hidden_errors(data)),
    ]


def _remaining(data: dict[str, Any]) -> list[str]:
    """Return, for a job that selected everything, how much carries the tags after it."""
    left = data.get("remaining")
    if left is None:
        return []
    return [
        f"  {terminal.counted(left, 'item')} still {'carries' if left == 1 else 'carry'} the tags"
    ]


def tag(shown: dict[str, Any]) -> str:
    """Return a tag of a completion event in one line."""
    if "name" in shown:
        return str(shown["name"])
    system = ", system" if shown.get("system") else ""
    workspaces = terminal.counted(shown["workspaces"], "workspace")
    return f"{shown['key']}={shown['value']} ({workspaces}{system})"


def worded(error: dict[str, Any]) -> str:
    """Return an error, or a warning, in one line: where, and why."""
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
