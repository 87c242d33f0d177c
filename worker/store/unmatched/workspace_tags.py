"""Wanted tags that no workspace has, with the nearest that the tenant's first workspaces have."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, select

from tagsweep.worker.errors import ItemError
from tagsweep.worker.models.records import JobRecord, Report
from tagsweep.worker.models.tables import workspace_tag
from tagsweep.worker.store.unmatched import words

GONE = "There is no such workspace."
#: tags of workspaces that are compared with a missing one
_SAMPLE = 500

#: a wanted tag of a workspace: its key, its value (None: any), whether it is a system tag
Wanted = tuple[str, str | None, bool]


def wanted_tags(connection: Connection, job: JobRecord, found: Iterable[Wanted]) -> list[ItemError]:
    """Return a warning for each wanted tag of workspaces that is none of those ``found``."""
    there = {one for key, value, system in found for one in _fitting(key, value, system)}
    missing = {
        (target["key"], target["value"], target["system"]): _path(job, target)
        for target in job.targets
        if (target["key"], target["value"], target["system"]) not in there
    }
    sample = _sample(connection, job) if missing else set()
    warnings: list[ItemError] = []
    for (key, value, system), path in missing.items():
        shown = key if value is None else f"{key}={value}"
        near = [
            each if value is None else f"{each}={own}" for each, own, of in sample if of == system
        ]
        looked_up = len(warnings) < words.MOST_LOOKED_UP
        reason = f'None of the workspaces has the tag "{shown}".'
        warnings.append(
            words.warning(path, reason, words.nearest(shown, near) if looked_up else None)
        )
    return words.bounded(warnings, "/tags")


def deleted(connection: Connection, job: JobRecord, report: Report) -> list[ItemError]:
    """Return the warnings of a delete at its end: one for each wanted tag that it has not found.

    Without those if the report leaves tags out, or if the workspaces are the reason.
    """
    # a retry may have found what was missing before
    before = [one for one in job.warnings or [] if one["code"] != "unknown_tag"]
    if report.truncated or job.unprocessed or job.failed == job.total:
        return before
    found = ((tag["key"], tag["value"], "system" in tag) for tag in report.tags)
    return [*before, *wanted_tags(connection, job, found)]


def _fitting(key: str, value: str | None, system: object) -> tuple[Wanted, Wanted]:
    return (key, value, bool(system)), (key, None, bool(system))


def _sample(connection: Connection, job: JobRecord) -> set[Wanted]:
    columns = workspace_tag.c
    query = select(columns.key, columns.value, columns.system)
    query = query.where(columns.tenant == job.tenant).order_by(columns.workspace_id)
    return {
        (row.key, row.value, bool(row.system)) for row in connection.execute(query.limit(_SAMPLE))
    }


def _path(job: JobRecord, target: dict[str, Any]) -> str:
    """Return the JSON Pointer to the first of the requested tags that the target stands for."""
    name = "sys_tags" if target["system"] else "tags"
    wanted = (target["key"], target["value"])
    asked = [(tag["key"], tag.get("value") or None) for tag in job.head.get(name, [])]
    return f"/{name}/{asked.index(wanted)}"
