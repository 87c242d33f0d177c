"""Store and broker directly: jobs are rows, and on the embedded default this process works."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection

from tagsweep.producer.cli.backends import store_events, store_reading, transactions
from tagsweep.producer.cli.backends.backend import JobQuery, Shown
from tagsweep.producer.cli.backends.reconnecting import until_available
from tagsweep.producer.cli.backends.transactions import CommitLost
from tagsweep.producer.cli.input import user
from tagsweep.producer.cli.output import terminal
from tagsweep.worker import database, settings
from tagsweep.worker.audit import entries
from tagsweep.worker.audit.entries import EntryFilter
from tagsweep.worker.broker import sending
from tagsweep.worker.broker.app import app
from tagsweep.worker.database import schema
from tagsweep.worker.errors import BrokerUnavailable, NoSuchJob, Retryable, TagsweepError
from tagsweep.worker.jobs import control, dispatch, parts, queries, recording
from tagsweep.worker.jobs.derived import runs
from tagsweep.worker.mapping import checking, readiness
from tagsweep.worker.models.jobs import Job
from tagsweep.worker.models.records import JobRecord
from tagsweep.worker.models.requester import Requester
from tagsweep.worker.models.run import RunRequest
from tagsweep.worker.store import links

POLL_S = 0.1
#: what changes a job within a transaction
Step = Callable[[Connection, UUID, Requester], JobRecord]

UNKNOWN = "It is not known yet whether job {id} is recorded"
NO_WORKER = "no worker seems to run. Start one: tagsweep worker"
#: if the worker runs in this very process
BLOCKED = "something blocks it in the store. Ctrl-C leaves it to a later command."


class StoreBackend:
    """Jobs without a gateway; raises SchemaMismatch if the store is not this version's."""

    silence = NO_WORKER

    def __init__(self) -> None:
        readiness.check()
        self._embedded = settings.load().embedded

    def record(self, job: Job) -> UUID:
        """Record the job in one transaction, once store and broker are known to answer.

        Raises InvalidJob if it names resources that it cannot be about.
        """
        checking.check(job)
        if not self._embedded:
            sending.check(app())
        job_id, job = uuid4(), job.through("cli", user.name())
        recording.check_callback(job_id, job)
        try:
            with transactions.opened() as connection:
                recording.record_with_lists(connection, job_id, job, parts.parts_of(job))
        except CommitLost as lost:
            try:
                until_available(job_id, partial(transactions.record_of, job_id), UNKNOWN)
            except NoSuchJob:
                raise TagsweepError(f"{lost} Nothing was done.") from lost
        if not self._embedded:
            _start(job_id)
        return job_id

    def left(self) -> str | None:
        """Say, on the embedded default, that no worker works on the job yet."""
        if not self._embedded:
            return None
        return (
            f"No worker runs here. The next command that runs one on {schema.where()} "
            "does the job: tagsweep worker, or any detach, attach or delete."
        )

    def interrupted(self, job_id: UUID) -> str:
        """Say who continues the job."""
        if self._embedded:
            return "the next command that runs a worker continues it (tagsweep worker)"
        return f"it continues; tagsweep jobs watch {job_id} shows it"

    @contextmanager
    def working(self, job_id: UUID) -> Iterator[None]:
        """On the embedded default, run a worker here, also for jobs recorded earlier."""
        if not self._embedded:
            yield
            return
        from tagsweep.producer.cli.backends import embedded_worker

        self.silence = BLOCKED
        with embedded_worker.running():
            yield
            with suppress(Retryable):  # earlier jobs are left to another command then
                embedded_worker.finish_earlier(transactions.record_of(job_id))

    def find(self, job_id: UUID) -> Shown:
        """Return the job as its row has it."""
        return store_reading.shown(job_id)

    def pauses(self) -> Iterator[float]:
        """Yield short pauses: only one row is read."""
        return itertools.repeat(POLL_S)

    def completion(self, job: Shown) -> dict[str, Any]:
        """Return the data of the event of the job's latest end, published by now."""
        job_id = UUID(job["id"])
        if self._embedded:  # a worker of this process may end before it has published it
            dispatch.after_commit(transactions.record_of(job_id))
        data = store_reading.completion(job_id)
        if data is None:
            raise NoSuchJob(f"There is no completion event of job {job_id}.")
        return data

    def latest(self, query: JobQuery, limit: int, *, whole: bool) -> list[Shown]:
        """Return up to ``limit`` jobs, the newest first."""
        return store_reading.latest(query, limit, whole=whole)

    def tag_names(self, tenant: str, start: str, limit: int) -> list[str]:
        """Return names of tags in their order."""
        with database.reading() as connection:
            return links.names(connection, tenant, start, limit)

    def cancel(self, job_id: UUID) -> Shown:
        """Cancel the job; if it ends at once, its end is published."""
        return self._changed(job_id, control.cancel)

    def retry(self, job_id: UUID) -> Shown:
        """Open what is left of the job again, and wake workers."""
        return self._changed(job_id, control.retry)

    def run(self, preview: UUID, note: str | None) -> UUID:
        """Record the run of the preview in one transaction, and wake workers."""
        with transactions.of_job(preview) as connection:
            body = {"tenant": queries.get(connection, preview).tenant, "job": str(preview)}
            body |= {"note": note}
            job, _ = runs.record(connection, RunRequest.parse(body).through("cli", user.name()))
        if not self._embedded:
            dispatch.after_commit(job)
        return job.id

    def pause(self, job_id: UUID) -> Shown:
        """Mark the job's row: workers leave its chunks alone."""
        return self._changed(job_id, control.pause)

    def resume(self, job_id: UUID) -> Shown:
        """Remove the mark, and wake workers."""
        return self._changed(job_id, control.resume)

    def _changed(self, job_id: UUID, step: Step) -> Shown:
        with transactions.of_job(job_id) as connection:
            job = step(connection, job_id, user.requester())
        # on the embedded default a worker runs in another process, if any
        if job.ended or not (self._embedded or job.cancelling):
            dispatch.after_commit(job)
        return until_available(job_id, partial(self.find, job_id))

    def audit(self, query: EntryFilter, limit: int | None) -> Iterator[Shown]:
        """Read the entries from the store, page by page."""
        found = entries.each(query)
        return (one.shown() for one in itertools.islice(found, limit))

    def receipt(self, job_id: UUID, outcomes: Sequence[str], form: str) -> Iterator[str]:
        """Read the receipt from the store, chunk by chunk."""
        return store_reading.receipt_of(job_id, outcomes, form)

    def events(self, since: datetime | None, *, follow: bool) -> Iterator[str | None]:
        """Yield the events of the store's own feed."""
        return store_events.read(since, follow=follow)


def _start(job_id: UUID) -> None:
    try:
        dispatch.start(job_id)
    except BrokerUnavailable as error:
        terminal.say(f"{error} Job {job_id} is recorded: a worker will find it in the store.")
