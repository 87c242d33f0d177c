"""All that is kept of a job and of a tenant, but for what is different in each run."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from sqlalchemy import select

from tagsweep.worker.models.ids import unpack
from tagsweep.worker.models.tables import failure, link_change, workspace_tag_change
from tests.support.stores import Store

#: what differs from run to run, in rows and in events
TIMES = {
    "accepted_at",
    "started_at",
    "finished_at",
    "served_at",
    "created_at",
    "updated_at",
    "time",
}
OWN = {"id", "tenant", "fingerprint", "nonce", "job_id", "event", "source", "subject", "dataref"}


def of(store: Store, job_id: UUID) -> list[Any]:
    """Return a job's rows, what it removed, its event: all that is the same in each run."""
    job, (event,) = store.job(job_id), store.outbox(job_id)
    told = json.loads(event.event)
    names = {
        tag["id"]: tag["name"]
        for tag in [*(job.matched or []), *told["data"]["tags"]]
        if "id" in tag
    }
    with store.transaction() as connection:
        kept = connection.execute(select(link_change).where(link_change.c.job_id == job_id)).all()
        tags = select(workspace_tag_change).where(workspace_tag_change.c.job_id == job_id)
        workspaces = connection.execute(tags).all()
        failed = connection.execute(select(failure).where(failure.c.job_id == job_id)).all()
    return [
        _plain(job._mapping, names),
        [_plain(row._mapping, names) for row in store.chunks(job_id)],
        sorted(
            (names[str(row.tag_id)], row.chunk, row.run, row.resource_type, *unpack(row.ids))
            for row in kept
        ),
        sorted(tuple(row)[1:] for row in workspaces),
        sorted(str(tuple(row)[1:]) for row in failed),
        event.end,
        _plain(told, names) | {"id": told["id"].removeprefix(str(job_id))},
    ]


def _plain(document: Any, names: dict[str, str]) -> dict[str, Any]:
    """Return a row or a document without what is of this run alone."""
    shown: dict[str, Any] = {}
    for name, value in document.items():
        if name in TIMES or name == "credential":
            shown[name] = value is not None
        elif name == "warnings" and value:  # a near name is looked up among what is left
            shown[name] = [(one["path"], one["code"]) for one in value]
        elif name == "mapped" and value:  # how far links have grown, is of this run
            marks = ("accepted", "split", "ended")
            shown[name] = [one | {mark: one[mark] is not None for mark in marks} for one in value]
        elif name in ("matched", "tags") and value:
            shown[name] = [_plain(tag, names) for tag in value]
        elif isinstance(value, dict):
            shown[name] = _plain(value, names)
        elif name not in OWN and name not in ("parts", "parts_in"):
            shown[name] = value
    return shown


def state(store: Store, tenant: str) -> list[Any]:
    """Return what the tenant has."""
    tags = store.tags(tenant).values()
    return [
        store.links(tenant),
        store.workspace_tags(tenant),
        {(tag.name, tag.updated_at > tag.created_at) for tag in tags},
    ]
