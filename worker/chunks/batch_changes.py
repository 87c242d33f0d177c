"""What the jobs of a batch change, by as few statements as can be, and what they tell of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from tagsweep.worker.chunks.batch_matching import OURS, Cut, table_of
from tagsweep.worker.database import pipelines
from tagsweep.worker.mapping import job_resources
from tagsweep.worker.models.events import stamp
from tagsweep.worker.models.mapped import MappedResource, MappedResources, Resource
from tagsweep.worker.models.records import Chunk, JobRecord, Report
from tagsweep.worker.store import layouts
from tagsweep.worker.store.batches import links, tags, workspaces
from tagsweep.worker.store.batches.work import Changes
from tagsweep.worker.store.layout import Layout

#: kinds of jobs on tags of workspaces, in the order in which they are done
ON_WORKSPACES = ("delete", "set")
#: what jobs on links have changed, by the table of their tags
ByTable = dict[str, tuple[Layout, Changes]]


@dataclass(frozen=True, slots=True)
class _Group:
    """Chunks whose links one statement changes."""

    kind: str
    resource: MappedResource | None  #: None: our own tables
    work: list[tuple[JobRecord, Chunk]]

    @property
    def named(self) -> Resource | None:
        return self.resource.resource if self.resource else None

    @property
    def at(self) -> Layout:
        return layouts.of_resource(self.named)


@dataclass(frozen=True, slots=True)
class Applied:
    """What all jobs of a batch have changed."""

    links: ByTable
    workspaces: Changes
    grown: Mapping[str, int | None]  #: how far the resources of attaches have grown, by name

    @classmethod
    def of_detaches(cls, changes: Changes) -> Applied:
        """Return what detaches from our own tables have changed."""
        return cls({OURS: (layouts.of_resource(None), changes)}, Changes(), {})

    @property
    def done_at(self) -> datetime | None:
        """When all of it was done, by the database's clock; None if nothing was."""
        moments = [
            self.workspaces.done_at,
            *(changes.done_at for _, changes in self.links.values()),
        ]
        return max((one for one in moments if one), default=None)

    def of(self, cut: Cut) -> Changes:
        """Return the changes among which those of a job are."""
        if cut.job.kind in ON_WORKSPACES:
            return self.workspaces
        return self.links[cut.table][1] if cut.table in self.links else Changes()

    def changed(self, cut: Cut) -> int:
        """Return how many of a job's items were changed."""
        items = self.of(cut).items
        return sum(items[cut.job.id, chunk.number] for chunk in cut.chunks)

    def resources(self, cut: Cut) -> MappedResources:
        """Return a job's mapped resources at its end."""
        if cut.job.kind != "attach":
            return cut.resources
        return MappedResources(
            (number, one.model_copy(update={"ended": self.grown[one.resource.name]}))
            for number, one in cut.resources.items()
        )


def apply(connection: Connection, jobs: Sequence[Cut]) -> Applied:
    """Apply all chunks: those of detaches, then of attaches, then of deletes, then of sets."""
    groups = [group for kind in ("detach", "attach") for group in _groups(jobs, kind)]
    with pipelines.pipelined(connection):
        sent = [(group, _hold(connection, group), _change(connection, group)) for group in groups]
        told = [_change_workspaces(connection, jobs, kind) for kind in ON_WORKSPACES]
        grown = {
            name: job_resources.grown(connection, one.resource)
            for name, one in _attached(jobs).items()
        }
    found: ByTable = {}
    for group, held, changed in sent:
        held()
        table = table_of(group.named)
        at, before = found.get(table, (group.at, Changes()))
        found[table] = at, before | changed()
    changes = reduce(or_, (changed() for changed in told))
    return Applied(found, changes, {name: highest() for name, highest in grown.items()})


def _groups(jobs: Sequence[Cut], kind: str) -> Iterator[_Group]:
    """Yield the chunks of a kind of jobs by the statement that they need, in one order always."""
    found: dict[tuple[str, str], _Group] = {}
    for one in jobs:
        for chunk in one.chunks if one.job.kind == kind else ():
            group = _Group(kind, one.resources.get(chunk.resource_type), [])
            key = "", ""
            if group.named:
                key = group.named.name, str(group.named.tenant and one.job.tenant)
            found.setdefault(key, group).work.append((one.job, chunk))
    return (found[key] for key in sorted(found))


def _hold(connection: Connection, group: _Group) -> Callable[[], None]:
    if group.kind == "detach":
        return lambda: None
    return links.hold(connection, group.at, group.work)


def _change(connection: Connection, group: _Group) -> Callable[[], Changes]:
    tenant = group.work[0][0].tenant
    own = layouts.values_of(group.resource, tenant) if group.resource else {}
    return links.change(connection, group.at, group.kind, group.work, own)


def _change_workspaces(
    connection: Connection, jobs: Sequence[Cut], kind: str
) -> Callable[[], Changes]:
    work = [(one.job, chunk) for one in jobs if one.job.kind == kind for chunk in one.chunks]
    return workspaces.change(connection, kind, work)


def _attached(jobs: Sequence[Cut]) -> dict[str, MappedResource]:
    """Return the resources of attaches, whose growth by their end an undo asks for."""
    attaches = (one.resources.values() for one in jobs if one.job.kind == "attach")
    return {one.resource.name: one for some in attaches for one in some}


def move_mapped(
    connection: Connection, applied: Applied, now: datetime
) -> dict[str, dict[str, Any]]:
    """Move what mapped tables say of tags of which a link was changed.

    Return the tags as they are then, by table and id, where their times are mapped.
    """
    with pipelines.pipelined(connection):
        sent = {
            table: tags.move(connection, *applied.links[table], now)
            for table in sorted(applied.links.keys() - {OURS})
        }
    return {table: moved() for table, moved in sent.items()}


def move_own(connection: Connection, applied: Applied, now: datetime) -> None:
    """Move the times of our own tags of which a link was changed."""
    if OURS in applied.links:
        tags.move(connection, *applied.links[OURS], now)


def report(
    cut: Cut, applied: Applied, moved: Mapping[str, Mapping[str, Any]], now: datetime
) -> Report:
    """Return what a job tells of its tags; ``moved``: the mapped ones, as they are now."""
    changes = applied.of(cut)
    if cut.job.id in changes.reports:
        return changes.reports[cut.job.id]
    shown = [tag for tag in cut.job.targets if "id" in tag]
    if cut.resources:
        known = moved.get(cut.table, {})
        return Report([cut.resources.shown_tag(known.get(tag["id"], tag)) for tag in shown])
    time = {"updated_at": stamp(now)}
    return Report([tag | time if UUID(tag["id"]) in changes.tags else tag for tag in shown])
