"""Record jobs; what is recorded is never lost.

Every way in leads here: a message, a part of a stream, the gateway, the command line, a service
that shares the database. None of them changes a tag.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, update

from tagsweep.worker import database
from tagsweep.worker.database import dialects
from tagsweep.worker.jobs import parts, queries
from tagsweep.worker.jobs.derived import undoable
from tagsweep.worker.mapping import job_resources
from tagsweep.worker.models import requests
from tagsweep.worker.models.jobs import Job, UndoJob, fingerprint_of
from tagsweep.worker.models.mapped import MappedResources
from tagsweep.worker.models.records import JobRecord, Lists
from tagsweep.worker.models.tables import job as job_table
from tagsweep.worker.store import layouts
from tagsweep.worker.store.unmatched import sparing
from tagsweep.worker.webhooks import callbacks

# built once: that takes longer than executing it
_NEW_JOB = {
    dialect: insert(job_table).on_conflict_do_nothing().returning(*queries.COLUMNS)
    for dialect, insert in dialects.INSERTS.items()
}


def record(connection: Connection, job_id: UUID, job: Job) -> JobRecord | None:
    """Record ``job`` under ``job_id``, without its lists, which the caller applies or stores.

    Return it as recorded; None if the id is taken, by the same job or another.
    """
    return insert(
        connection,
        {
            "id": job_id,
            **requests.columns(job),
            "fingerprint": job.fingerprint(),
            "sizes": requests.sizes(job),
            "parts": 0,
            **_column(job_resources.of_job(connection, job)),
        },
    )


def record_with_lists(  # noqa: PLR0913  # two are rarely given
    connection: Connection,
    job_id: UUID,
    job: Job,
    lists: Iterable[Lists],
    *,
    fingerprint: bytes | None = None,
    nonce: str | None = None,
) -> bool:
    """Record ``job`` with its long ``lists``, so that any worker can run it.

    Once the caller's transaction is committed it runs, with or without a message. ``fingerprint``:
    what another request under the same id is compared with; by default the job's own. ``nonce``:
    with it the job can be withdrawn (``jobs.control``). Return False if the id is taken. Raises
    NoSuchJob, Forgotten or CannotUndo if it is an undo that is not possible, InvalidJob if a tag in
    ``unless`` does not exist or the job cannot be called back; nothing is recorded.
    """
    if queries.find(connection, job_id) is None:
        _check(connection, job)
    return record_whole(connection, job_id, job, lists, fingerprint=fingerprint, nonce=nonce)


def _check(connection: Connection, job: Job) -> None:
    """Refuse what the store tells of a job to be refused; a message's job is split and ends so."""
    if isinstance(job, UndoJob):
        undoable.find(connection, job.tenant, UUID(job.job))
    callbacks.check(connection, job)
    if unless := getattr(job, "unless", ()):
        at = layouts.of_tags(job_resources.of_job(connection, job))
        sparing.ids(connection, job.tenant, unless, at)


def check_callback(job_id: UUID, job: Job) -> None:
    """Raise InvalidJob if a job that is not recorded yet cannot be called back where it asks.

    Whoever records it asks this before its transaction: while a name is resolved, nothing is held.
    """
    if (url := callback_to_check(job_id, job)) is not None:
        callbacks.check_address(url)


def callback_to_check(job_id: UUID, job: Job) -> str | None:
    """Return the URL whose name is to be resolved before the job is recorded, if any.

    Raises InvalidJob if it cannot be called back whatever the name is.
    """
    if job.callback_url is None:
        return None
    with database.reading() as connection:
        if queries.find(connection, job_id) is not None:
            return None
        callbacks.check(connection, job)
    return job.callback_url


def record_whole(  # noqa: PLR0913  # the same
    connection: Connection,
    job_id: UUID,
    job: Job,
    lists: Iterable[Lists],
    *,
    fingerprint: bytes | None = None,
    nonce: str | None = None,
) -> bool:
    """Record a job that was checked before; return False if the id is taken."""
    created = insert(
        connection,
        {
            "id": job_id,
            **requests.columns(job),
            "fingerprint": fingerprint or job.fingerprint(),
            "sizes": requests.sizes(job),
            "nonce": nonce,
            **_column(job_resources.of_job(connection, job)),
        },
    )
    if created is None:
        return False
    number = -1
    for number, some in enumerate(lists):
        parts.store(connection, created, number, some)
    counted = {"parts_in": number + 1, "parts": number + 1}
    connection.execute(update(job_table).where(job_table.c.id == job_id).values(counted))
    return True


def record_unusable(
    connection: Connection, job_id: UUID, kind: str, body: object
) -> JobRecord | None:
    """Record a message that is no valid job; return None if the id is taken."""
    return insert(
        connection,
        {
            "id": job_id,
            **requests.unusable(kind, body),
        },
    )


def record_stream(
    connection: Connection, job_id: UUID, nonce: str, job: Job, listed: Collection[str] = ()
) -> JobRecord:
    """Record a job that comes in parts, unless an earlier part has done so; return the job.

    ``nonce``: of the producer's run whose parts count; ``listed``: the types of which this one has
    ids.
    """
    created = insert(
        connection,
        {
            "id": job_id,
            **requests.columns(job),
            "fingerprint": fingerprint_of(job.kind, job.head()),
            "nonce": nonce,
            **_column(job_resources.of_stream(connection, job, listed)),
        },
    )
    return created or queries.get(connection, job_id)


def is_another(recorded: JobRecord, kind: str, tenant: str | None, fingerprint: bytes) -> bool:
    """Tell whether the job recorded under an id is another than the one sent under it."""
    return (recorded.kind, recorded.tenant, recorded.fingerprint) != (kind, tenant, fingerprint)


def _column(mapped: MappedResources) -> dict[str, Any]:
    """Return the job's column for its mapped resources, with how far their links have grown."""
    return {"mapped": mapped.written()} if mapped else {}


def insert(connection: Connection, row: dict[str, Any]) -> JobRecord | None:
    """Record the job of this row and return it; None if its id is taken."""
    created = connection.execute(_NEW_JOB[connection.dialect.name], row).first()
    if created is None:
        return None
    let_the_clock_tick(connection)
    return JobRecord(*created)


def let_the_clock_tick(connection: Connection) -> None:
    """Make sure that a link attached after this transaction is younger than the job.

    SQLite's clock counts milliseconds. No one else can write while this transaction is open, so
    wait here for the rest of the millisecond.
    """
    if dialects.is_sqlite(connection):
        time.sleep((1_000_000 - time.time_ns() % 1_000_000) / 1e9)
