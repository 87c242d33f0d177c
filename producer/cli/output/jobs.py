"""Jobs as people read them: a line in a table, or all that one tells."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from tagsweep.producer.cli.output import result, terminal

COLUMNS = (
    *("ID", "KIND", "TENANT", "STATUS"),
    *("DONE", "TOTAL", "CHANGED", "FAILED", "BY", "ACCEPTED"),
)

Shown = dict[str, Any]


def row(job: Shown) -> list[str]:
    """Return the cells of a job, in the order of COLUMNS."""
    done, total, failed = job["progress"]["done"], job["counts"]["total"], job["counts"]["failed"]
    cells = [job["id"], job["kind"], job["tenant"] or "-", _status(job)]
    numbers = [f"{done:,}", f"{total:,}", _changed(job), f"{failed:,}"]
    by = (job.get("requested_by") or {}).get("name") or "-"
    return [*cells, *numbers, by, moment(job["accepted_at"])]


def lines(job: Shown) -> Iterator[str]:
    """Yield all that a job tells, a name and its value in a line."""
    for name, value in job.items():
        first, *more = _values(name, value)
        yield f"{name:<12} {first}"
        yield from (f"{'':<12} {line}" for line in more)


def moment(text: str | None) -> str:
    """Return a time as JSON in the local zone, which it names."""
    if text is None:
        return "-"
    return datetime.fromisoformat(text).astimezone().isoformat(" ", "seconds")


def _status(job: Shown) -> str:
    """Return the status in a word or two; a preview is never a plain success."""
    marks = ["preview"] if job.get("dry_run") else []
    marks += [mark for mark in ("paused", "waiting") if job.get(mark)]
    return ", ".join([job["status"], *marks])


def _changed(job: Shown) -> str:
    """Return how many items the job has changed; a preview, how many it would."""
    number = next(value for name, value in job["counts"].items() if name != "total")
    return f"would be {number:,}" if job.get("dry_run") else f"{number:,}"


def _values(name: str, value: Any) -> list[str]:
    if name == "request":
        return _request(value) or ["-"]
    if name in {"errors", "warnings"}:
        return [result.worded(each) for each in value] or ["-"]
    return [_value(name, value)]


def _value(name: str, value: Any) -> str:
    if name == "tags":
        return ", ".join(result.tag(tag) for tag in value) or "-"
    if name == "requested_by":
        proved = "" if value["proved"] else ", not proved"
        return f"{value['name'] or 'unnamed'} ({value['door']}{proved})"
    if name.endswith("_at"):
        return moment(value)
    if isinstance(value, dict):
        return ", ".join(f"{number:,} {word}" for word, number in value.items())
    return "-" if value is None else "yes" if value is True else str(value)


def _request(asked: Shown) -> list[str]:
    """Return what a job was asked for, a line for each part."""
    parts = []
    for name, value in asked.items():
        if name == "lists":
            parts += [f"{each}: {_size(size)}" for each, size in value.items()]
        elif isinstance(value, list):
            parts.append(f"{name}: {_first(value)}")
        else:
            parts.append(f"{name}: {'yes' if value is True else value}")
    return parts


def _size(size: int | str) -> str:
    return "all" if size == "*" else terminal.counted(int(size), "entry", "entries")


def _first(values: list[Any]) -> str:
    more = len(values) - result.MAX_LINES
    first = ", ".join(_wanted(value) for value in values[: result.MAX_LINES])
    return first + (f" and {more:,} more" if more > 0 else "")


def _wanted(tag: str | dict[str, str]) -> str:
    if isinstance(tag, str):
        return tag
    return f"{tag['key']}={tag['value']}" if tag.get("value") else tag["key"]
