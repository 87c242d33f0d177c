"""The long lists of a job: recorded in parts, or streamed in parts by a producer that may die.

To tell a producer that stopped from parts that merely wait, silence is measured through the queue.
A probe is sent behind whatever parts wait there; only when it has been served, and for a good while
after that no part has arrived, has the producer stopped. Stopped workers, a backlog and a part that
is redelivered after its worker died all delay the probe, or arrive after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, update

from tagsweep.worker.database.dialects import insert_missing
from tagsweep.worker.models import sorting
from tagsweep.worker.models.ids import WIDTH, count, name_of
from tagsweep.worker.models.jobs import Job
from tagsweep.worker.models.parts import Part
from tagsweep.worker.models.records import JobRecord, Lists
from tagsweep.worker.models.tables import ago, clock
from tagsweep.worker.models.tables import job as jobs
from tagsweep.worker.models.tables import part as parts

#: ids that are recorded as one row
MOST_IDS = 250_000

#: what names a list: the number of a type, or the name of mapped resources
Key = TypeVar("Key", int, str)


def lists_of(source: Job | Part) -> Lists:
    """Return the long lists that ``source`` carries."""
    names = source.workspaces if isinstance(source, Part) else source.workspace_ids()
    mapped = source.resources if isinstance(source, Part) else source.packed_resources()
    return Lists(source.packed(), names, mapped)


def parts_of(job: Job) -> Iterator[Lists]:
    """Yield the job's long lists in rows of at most MOST_IDS."""
    names = job.workspace_ids()
    for at in range(0, len(names), MOST_IDS):
        yield Lists({}, names[at : at + MOST_IDS])
    for part in _rows(job.packed()):
        yield Lists(part, ())
    for mapped in _rows(job.packed_resources()):
        yield Lists({}, (), mapped)


def _rows(lists: Mapping[Key, bytes]) -> Iterator[dict[Key, bytes]]:
    part: dict[Key, bytes] = {}
    room = MOST_IDS * WIDTH
    for key, ids in lists.items():
        at = 0
        while at < len(ids):
            part[key] = ids[at : at + room]
            at += len(part[key])
            room -= len(part[key])
            if not room:
                yield part
                part, room = {}, MOST_IDS * WIDTH
    if part:
        yield part


def store(connection: Connection, job: JobRecord, number: int, lists: Lists) -> bool:
    """Store the lists of a part, each sorted; return False if that part is there already."""
    own = {"job_id": job.id, "number": number, "resource_type": 0, "given": len(lists.names)}
    names = lists.names and sorting.distinct(sorting.pack_names(lists.names), sorting.NAME_WIDTH)
    statement = insert_missing(connection, parts).returning(parts.c.number)
    if connection.execute(statement, {**own, "entries": names or None}).first() is None:
        return False
    rows = [
        {
            **own,
            "resource_type": number_of_type,
            "entries": sorting.distinct(ids),
            "given": count(ids),
        }
        for number_of_type, ids in numbered(job, lists).items()
    ]
    if rows:
        connection.execute(parts.insert(), rows)
    return True


def sizes(connection: Connection, job: JobRecord) -> dict[str, int]:
    """Return how many entries each list of a job has that is stored in parts, as they arrived."""
    query = select(parts.c.resource_type, func.sum(parts.c.given)).group_by(parts.c.resource_type)
    found = connection.execute(query.where(parts.c.job_id == job.id))
    # a part of an older version has no number; every part has a row of workspaces, mostly of none
    return {_name(job, number): int(size) for number, size in found if size}


def numbered(job: JobRecord, lists: Lists) -> dict[int, bytes]:
    """Return the lists of ids by the numbers of their resources in the job."""
    return job.resources.numbered(lists.ids, lists.resources) if job.mapped else lists.ids


def _name(job: JobRecord, number: int) -> str:
    if not number:
        return "workspaces"
    return job.resources.name_of(number) if job.mapped else name_of(number)


def receive(connection: Connection, job: JobRecord, part: Part) -> bool:
    """Store a part of a stream whose job is recorded; return True if the job is now complete.

    A part that arrived before, that another run of the producer sent, or whose job is already split
    changes nothing.
    """
    if not store(connection, job, part.number, lists_of(part)):
        return False
    is_ours = and_(jobs.c.id == part.job_id, jobs.c.nonce == part.nonce, jobs.c.status == "queued")
    # the last statement: it locks the job's row, so that of two last parts one waits for the other
    known = func.coalesce(part.parts, jobs.c.parts)
    counted = (
        update(jobs)
        .where(is_ours)
        .values(parts_in=jobs.c.parts_in + 1, parts=known, part_at=clock())
    )
    row = connection.execute(counted.returning(jobs.c.parts_in, jobs.c.parts)).one_or_none()
    if row is None:
        _delete(connection, part)
        return False
    complete = row.parts is not None and row.parts_in >= row.parts
    if complete:
        arrived = update(jobs).where(jobs.c.id == part.job_id)
        connection.execute(arrived.values(sizes=sizes(connection, job)))
    return complete


def forget(connection: Connection, job: JobRecord) -> None:
    """Delete the lists of a job as they were recorded: all are cut, or will never be."""
    if job.parts_in:
        connection.execute(parts.delete().where(parts.c.job_id == job.id))


def to_probe(connection: Connection, silence_s: float) -> list[UUID]:
    """Return the streams without a part for ``silence_s`` seconds; note that a probe is sent."""
    silent = ago(silence_s)
    fresh = or_(jobs.c.probed_parts.is_(None), jobs.c.probed_parts != jobs.c.parts_in)
    due = and_(
        _incomplete(),
        func.coalesce(jobs.c.part_at, jobs.c.accepted_at) < silent,
        fresh,
        or_(jobs.c.probe_sent_at.is_(None), jobs.c.probe_sent_at < silent),
    )
    noted = update(jobs).where(due).values(probe_sent_at=clock()).returning(jobs.c.id)
    return list(connection.execute(noted).scalars())


def probed(connection: Connection, job_id: UUID) -> None:
    """Note that a probe was served, and how many parts had arrived before it."""
    this = and_(_incomplete(), jobs.c.id == job_id)
    values: dict[str, Any] = {"probed_at": clock(), "probed_parts": jobs.c.parts_in}
    connection.execute(update(jobs).where(this).values(values))


def stopped(connection: Connection, silence_s: float) -> list[tuple[UUID, int]]:
    """Return the streams whose producer has stopped, and how many parts it had sent.

    That is: a probe was served, and no part has arrived for ``silence_s`` seconds after it.
    """
    dead = and_(
        _incomplete(),
        jobs.c.probed_parts == jobs.c.parts_in,
        jobs.c.probed_at < ago(silence_s),
    )
    query = select(jobs.c.id, jobs.c.parts_in).where(dead)
    return [(row.id, row.parts_in) for row in connection.execute(query)]


def _incomplete() -> ColumnElement[bool]:
    whole = and_(jobs.c.parts.is_not(None), jobs.c.parts_in >= jobs.c.parts)
    return and_(jobs.c.status == "queued", jobs.c.nonce.is_not(None), ~func.coalesce(whole, False))


def _delete(connection: Connection, part: Part) -> None:
    this = and_(parts.c.job_id == part.job_id, parts.c.number == part.number)
    connection.execute(parts.delete().where(this))
