"""The mapped resources of jobs, as they are when these are recorded.

What the catalogue says of them is kept by each process until it says something else.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from tagsweep.worker.errors import SettingsError, StoreBusy
from tagsweep.worker.mapping import catalogue, checking, file, resolving
from tagsweep.worker.mapping.file import Map
from tagsweep.worker.models.jobs import Job
from tagsweep.worker.models.mapped import FIRST, MappedResource, MappedResources, Resource
from tagsweep.worker.models.records import JobRecord


@dataclass(frozen=True, slots=True)
class Known:
    """A resource as this process has found it."""

    mapping: Map
    version: str  #: of its tables
    resource: Resource


_known: dict[str, Known] = {}


def current(connection: Connection, mapping: Map, name: str) -> Resource:
    """Return the resource of this name; what the catalogue says is read anew once it changed."""
    return _current(connection, mapping, name).resource


def _current(connection: Connection, mapping: Map, name: str) -> Known:
    version = _version(connection, mapping, name)()
    known = _known.get(name)
    if known is None or known.mapping is not mapping or known.version != version:
        known = Known(mapping, version, resolving.resource(connection, mapping, name))
        _known[name] = known
    return known


def _version(connection: Connection, mapping: Map, name: str) -> Callable[[], str]:
    tables = mapping.resources[name].links, mapping.tags_of(name).table
    return catalogue.version(connection, *tables)


def names(job: Job) -> list[str]:
    """Return the names of the mapped resources that a job is about."""
    return checking.names(file.load(), job)


def of_job(connection: Connection, job: Job) -> MappedResources:
    """Return the mapped resources of a job that is recorded in this transaction."""
    return _accepted_now(connection, names(job))


def of_stream(connection: Connection, job: Job, listed: Collection[str]) -> MappedResources:
    """Return the same of a job that comes in parts, one with ids of the types ``listed``."""
    return _accepted_now(connection, checking.names_of_stream(file.load(), job, listed))


def _accepted_now(connection: Connection, some: list[str]) -> MappedResources:
    mapping = file.load()
    if not some or mapping is None:
        return MappedResources()
    found = (current(connection, mapping, name) for name in some)
    return MappedResources(
        (number, MappedResource(resource=one, accepted=grown(connection, one)()))
        for number, one in enumerate(found, FIRST)
    )


def known(connection: Connection, some: Iterable[str]) -> dict[str, Known]:
    """Return the resources of these names, which the map has, as they were when last read.

    Raises StoreBusy if one does not fit its tables: its jobs alone are to hear of it.
    """
    mapping = file.load()
    if mapping is None:
        return {}
    kept = {name: _known.get(name) for name in some}
    try:
        return {
            name: one if one and one.mapping is mapping else _current(connection, mapping, name)
            for name, one in kept.items()
        }
    except SettingsError as error:
        raise StoreBusy(str(error)) from error


def accepted(
    connection: Connection, some: Mapping[str, Known]
) -> Callable[[], dict[str, MappedResource]]:
    """Return known resources, as jobs have them that are recorded now; may be pipelined.

    Raises StoreBusy if one of their tables was altered since it was read: next time it is read
    anew.
    """
    sent = {
        name: (_version(connection, one.mapping, name), grown(connection, one.resource))
        for name, one in some.items()
    }

    def found() -> dict[str, MappedResource]:
        for name, (version, _) in sent.items():
            if version() != some[name].version:
                _known.pop(name, None)
                raise StoreBusy(f"The tables of {name} have just been altered.")
        return {
            name: MappedResource(resource=some[name].resource, accepted=highest())
            for name, (_, highest) in sent.items()
        }

    return found


def marked(connection: Connection, job: JobRecord, moment: str) -> MappedResources:
    """Return the job's mapped resources, with how far their links have grown at this ``moment``."""
    return MappedResources(
        (number, one.model_copy(update={moment: grown(connection, one.resource)()}))
        for number, one in job.resources.items()
    )


def grown(connection: Connection, one: Resource) -> Callable[[], int | None]:
    """Return how far the links have grown by now; None if they have no key that grows."""
    if one.grows is None:
        return lambda: None
    return catalogue.highest(connection, catalogue.quoted(one.schema_name, one.table), one.grows)
