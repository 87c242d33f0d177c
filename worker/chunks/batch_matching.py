"""Which jobs can be done in a batch: each as it is accepted, with what it names, and its chunks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from tagsweep.worker.chunks import plain
from tagsweep.worker.chunks.given_values import Given
from tagsweep.worker.chunks.plain import Chunks
from tagsweep.worker.database import pipelines
from tagsweep.worker.database.dialects import is_sqlite
from tagsweep.worker.errors import ItemError, StoreBusy
from tagsweep.worker.jobs import batch_ends, batch_rows, report
from tagsweep.worker.jobs.batch_ends import NewJob
from tagsweep.worker.jobs.batch_rows import Begun
from tagsweep.worker.mapping import job_resources
from tagsweep.worker.models.jobs import AttachJob, DetachJob, Job, WorkspacesJob
from tagsweep.worker.models.mapped import FIRST, MappedResource, MappedResources, Resource
from tagsweep.worker.models.records import Chunk, JobRecord
from tagsweep.worker.store import KINDS, layouts
from tagsweep.worker.store.batches import tags, workspaces
from tagsweep.worker.store.batches.tags import Matched, Tags
from tagsweep.worker.store.batches.work import Place
from tagsweep.worker.store.layout import OWN, Layout
from tagsweep.worker.store.unmatched.names import MissingNames

#: what stands for our own table of tags
OURS = ""


@dataclass(frozen=True, slots=True)
class Cut:
    """A job that was accepted, and its chunks."""

    job: JobRecord
    chunks: list[Chunk]
    resources: MappedResources  #: none: it is about our own tables
    table: str  #: what tells the table of its tags from others


@dataclass(frozen=True, slots=True)
class _Linked:
    """Jobs on links whose tags are in one table."""

    at: Layout
    jobs: list[NewJob]

    @property
    def places(self) -> Iterator[Place]:
        """What they name."""
        return (place for new in self.jobs for place in named(new))


def of_detaches(connection: Connection, new_jobs: Sequence[NewJob]) -> Chunks | None:
    """Return the chunks of jobs that all detach from our own tables; None if any does not.

    Nor on SQLite, nor of one that names nothing, or no resource: what it names is told all the
    same.
    """
    if is_sqlite(connection) or not all(_detaches_ours(new.job) for new in new_jobs):
        return None
    found = {new.job_id: list(plain.chunks_of(new.job, 1)) for new in new_jobs}
    return found if all(found.values()) else None


def _detaches_ours(job: Job) -> bool:
    return isinstance(job, DetachJob) and bool(job.names) and not job_resources.names(job)


def accepted(connection: Connection, new_jobs: Sequence[NewJob]) -> tuple[list[Cut], Begun]:
    """Return the jobs that can be done, those on links first, in each kind in their order.

    Left out: an id that is taken; a delete or set of which a workspace is unknown; a set that gives
    a key another value than one before it; and what the tables of a map do not allow, as a name
    that several tags have.
    """
    names = {new.job_id: tuple(job_resources.names(new.job)) for new in new_jobs}
    known = job_resources.known(connection, {name for some in names.values() for name in some})
    linked = list(_by_table(new_jobs, names, known))
    on_workspaces = {
        new.job_id: [(new.job.tenant, name) for name in new.job.workspace_ids()]
        for new in new_jobs
        if isinstance(new.job, WorkspacesJob)
    }
    with pipelines.pipelined(connection):
        begin = batch_rows.begin(connection, [new.job_id for new in new_jobs])
        accept = job_resources.accepted(connection, known)
        match = [tags.match(connection, one.at, one.places) for one in linked]
        know = workspaces.known(
            connection, (one for some in on_workspaces.values() for one in some)
        )
    begun, there = begin(), know()
    resources = _of_jobs(names, accept())
    cuts = [
        cut
        for one, matched in zip(linked, match, strict=True)
        for cut in _linked(connection, one, matched(), resources, begun)
    ]
    given = Given()
    cuts += (
        _on_workspaces(connection, new, begun)
        for new in new_jobs
        if new.job_id in on_workspaces
        and new.job_id not in begun.known
        and there.issuperset(on_workspaces[new.job_id])
        and given.admits(new.job)
    )
    return cuts, begun


def _on_workspaces(connection: Connection, new: NewJob, begun: Begun) -> Cut:
    matched = KINDS[new.job.kind].match(connection, new.job.tenant, new.job.head())
    chunks = list(plain.chunks_of(new.job, len(matched))) if matched else []
    return cut(new, matched, chunks, begun)


def table_of(one: Resource | None) -> str:
    """Return what tells the table of the tags of some resources from others."""
    return repr(one.tags) if one else OURS


def _by_table(
    new_jobs: Sequence[NewJob],
    names: Mapping[UUID, Sequence[str]],
    known: Mapping[str, job_resources.Known],
) -> Iterator[_Linked]:
    """Yield the jobs on links by the tables of their tags, which are always in the same order."""
    found: dict[str, _Linked] = {}
    for new in new_jobs:
        if isinstance(new.job, DetachJob | AttachJob):
            one = next((known[name].resource for name in names[new.job_id]), None)
            at = layouts.of_resource(one)
            found.setdefault(table_of(one), _Linked(at, [])).jobs.append(new)
    return (found[table] for table in sorted(found))


def _of_jobs(
    names: Mapping[UUID, tuple[str, ...]], found: Mapping[str, MappedResource]
) -> dict[UUID, MappedResources]:
    """Return the mapped resources of each job; jobs on the same ones share them."""
    shared = {
        some: MappedResources(enumerate((found[name] for name in some), FIRST))
        for some in set(names.values())
    }
    return {job_id: shared[some] for job_id, some in names.items()}


def named(new: NewJob) -> list[Place]:
    """Return what a job on links names."""
    names = new.job.names if isinstance(new.job, DetachJob | AttachJob) else ()
    return [(new.job.tenant, name) for name in dict.fromkeys(names)]


def _linked(
    connection: Connection,
    linked: _Linked,
    matched: Matched,
    resources: Mapping[UUID, MappedResources],
    begun: Begun,
) -> Iterator[Cut]:
    """Yield the jobs on links; the tags that an attach lacks are created after all are matched."""
    jobs = [
        new
        for new in linked.jobs
        if new.job_id not in begun.known and _is_sure(new, matched, resources[new.job_id])
    ]
    creates = {new.job_id for new in jobs if linked.at.creates and isinstance(new.job, AttachJob)}
    untold = unmatched(
        connection, [new for new in jobs if new.job_id not in creates], matched.tags, linked.at
    )
    lacking = {
        place
        for new in jobs
        if new.job_id in creates
        for place in named(new)
        if place not in matched.tags
    }
    made = matched.tags | tags.create(connection, linked.at, lacking)
    if not made.keys() >= lacking:
        raise StoreBusy("A tag that was just created is gone again.")
    for new in jobs:
        known = made if new.job_id in creates else matched.tags
        found = [known[place] for place in named(new) if place in known]
        own = resources[new.job_id]
        chunks = list(plain.chunks_of(new.job, len(found), own)) if found else []
        yield cut(new, found, chunks, begun, unmatched=untold.get(new.job_id, ()), resources=own)


def _is_sure(new: NewJob, matched: Matched, resources: MappedResources) -> bool:
    """Return whether it is known which rows of a map's tables the job is about."""
    tenant = str(new.job.tenant)
    belongs = all(one.resource.can_belong_to(tenant) for one in resources.values())
    return belongs and matched.ambiguous.isdisjoint(named(new))


def unmatched(
    connection: Connection, jobs: Sequence[NewJob], known: Tags, at: Layout = OWN
) -> dict[UUID, list[ItemError]]:
    """Return what each job has to warn of that creates no tags."""
    missing = MissingNames(connection, at)
    found = {}
    for new in jobs:
        places = named(new)
        there = {name for tenant, name in places if (tenant, name) in known}
        names = getattr(new.job, "names", ())
        found[new.job_id] = missing.warnings(new.job.tenant, names, there)
    return found


def cut(  # noqa: PLR0913  # all that a job is when it is accepted
    new: NewJob,
    matched: list[dict[str, Any]],
    chunks: list[Chunk],
    begun: Begun,
    *,
    unmatched: Sequence[ItemError] = (),
    resources: MappedResources | None = None,
) -> Cut:
    """Return a job that is accepted with these chunks; ``unmatched``: what it has to warn of."""
    own = resources or MappedResources()
    job = batch_ends.accepted(new, matched, begun.now, unmatched, own)
    if not chunks and not job.warnings:
        job = replace(job, warnings=[report.NOTHING])
    return Cut(job, chunks, own, table_of(own[FIRST].resource if own else None))
