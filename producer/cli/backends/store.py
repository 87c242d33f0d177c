"""Straight to store and broker: jobs are rows, and on the embedded default we do the work."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection

from tagsweep.producer import transactional
from tagsweep.producer.cli.backends import backlog, commits, trouble
from tagsweep.producer.cli.backends.choosing import Shown
from tagsweep.producer.cli.backends.commits import CommitLost
from tagsweep.producer.cli.backends.patience import patiently
from tagsweep.producer.cli.output import terminal
from tagsweep.worker import database, settings
from tagsweep.worker.broker import sending
from tagsweep.worker.broker.app import app
from tagsweep.worker.database import errors, schema
from tagsweep.worker.errors import (
    BrokerUnavailable,
    NoSuchJob,
    Retryable,
    TagsweepError,
)
from tagsweep.worker.events import outbox, relay
from tagsweep.worker.jobs import control, parts, queries, receipt, recording
from tagsweep.worker.models import formats, views
from tagsweep.worker.models.jobs import Job
from tagsweep.worker.models.records import JobRecord

POLL_S = 0.1
FEED_POLL_S = 0.2

UNKNOWN = "Whether job {id} is recorded is not known yet"
NOBODY = "no worker seems to run. Start one: tagsweep worker"
#: where the worker runs in this very process
HELD_UP = "something is in its way in the store. Ctrl-C leaves it to a later command."


class Direct:
    """The way without a gateway; raises SchemaMismatch where the store is not this version's."""

    silence = NOBODY

    def __init__(self) -> None:
        schema.ready()
        self._embedded = settings.load().embedded

    def record(self, job: Job) -> UUID:
        """Record the job in one transaction, once store and broker are known to answer."""
        if not self._embedded:
            sending.check(app())
        job_id = uuid4()
        try:
            with commits.change() as connection:
                recording.record_with_lists(connection, job_id, job, parts.parts_of(job))
        except CommitLost as lost:
            try:
                patiently(job_id, partial(_record_of, job_id), UNKNOWN)
            except NoSuchJob:
                raise TagsweepError(f"{lost} Nothing was done.") from lost
        if not self._embedded:
            _nudge(job_id)
        return job_id

    def left(self) -> str | None:
        """Tell that on the embedded default nobody works on the job yet."""
        if not self._embedded:
            return None
        where = errors.describe(settings.load().database_url)
        return (
            f"No worker runs here. The next command that runs one on {where} does the job: "
            "tagsweep worker, or any detach, attach or delete."
        )

    def interrupted(self, job_id: UUID) -> str:
        """Tell who goes on with the job."""
        if self._embedded:
            return "the next command that runs a worker goes on with it (tagsweep worker)"
        return f"it goes on; tagsweep jobs watch {job_id} shows it"

    @contextmanager
    def working(self, job_id: UUID) -> Iterator[None]:
        """On the embedded default, run a worker here, also for what was recorded before the job."""
        if not self._embedded:
            yield
            return
        from tagsweep.worker.broker.runtime import embedded

        self.silence = HELD_UP
        with trouble.told(), embedded.worker():
            yield
            with suppress(Retryable):  # what was recorded before is left to another command
                backlog.finish(_record_of(job_id))

    def find(self, job_id: UUID) -> Shown:
        """Return the job as its row has it."""
        job = _record_of(job_id)
        with database.reading() as connection:
            return views.of(job, outbox.latest(connection, job_id) if job.ended else None)

    def pauses(self) -> Iterator[float]:
        """Yield short pauses: it is one row."""
        return itertools.repeat(POLL_S)

    def completion(self, job: Shown) -> dict[str, Any]:
        """Return the data of the event of the job's latest end."""
        job_id = UUID(job["id"])
        if self._embedded:
            relay.deliver(job_id)  # unless a worker has done it, a moment after the end
        with database.reading() as connection:
            event = outbox.latest(connection, job_id)
        if event is None:
            raise NoSuchJob(f"There is no completion event of job {job_id}.")
        data: dict[str, Any] = event["data"]
        return data

    def latest(
        self, tenant: str | None, status: str | None, most: int, *, whole: bool
    ) -> list[Shown]:
        """Return the newest jobs first."""
        with database.reading() as connection:
            found = queries.latest(connection, tenant, status, most)
            events = {job.id: outbox.latest(connection, job.id) for job in found if whole}
        return [views.of(job, events.get(job.id)) for job in found]

    def cancel(self, job_id: UUID) -> Shown:
        """Cancel the job; its end, if it comes to one at once, is published."""
        with commits.steering(job_id) as connection:
            control.cancel(connection, job_id)
        with suppress(Retryable):  # then recovery does it
            relay.deliver(job_id)
        return patiently(job_id, partial(self.find, job_id))

    def retry(self, job_id: UUID) -> Shown:
        """Open what is left of the job, and tell a worker."""
        return self._steered(job_id, control.retry)

    def pause(self, job_id: UUID) -> Shown:
        """Mark the job's row: workers leave its chunks alone."""
        return self._steered(job_id, control.pause)

    def resume(self, job_id: UUID) -> Shown:
        """Take the mark away, and tell a worker."""
        return self._steered(job_id, control.resume)

    def _steered(self, job_id: UUID, step: Callable[[Connection, UUID], JobRecord]) -> Shown:
        with commits.steering(job_id) as connection:
            job = step(connection, job_id)
        if not self._embedded and not job.paused:
            with suppress(BrokerUnavailable):  # then recovery does it
                if job.status == "queued":
                    transactional.nudge(job_id)
                else:
                    sending.wake(job.open)
        return patiently(job_id, partial(self.find, job_id))

    def receipt(self, job_id: UUID, outcomes: Sequence[str], form: str) -> Iterator[str]:
        """Read the receipt from the store, chunk by chunk."""
        _record_of(job_id)
        columns = receipt.columns(job_id, None)
        yield from formats.FORMS[form](columns, receipt.entries(job_id, None, outcomes))

    def events(self, since: datetime | None, *, follow: bool) -> Iterator[str | None]:
        """Yield the events of the store's own feed."""
        position = 0
        if since:
            with database.reading() as connection:
                position = outbox.position_at(connection, since)
        outage = False
        while True:
            try:
                with database.reading() as connection:
                    rows = outbox.after(connection, position)
            except TagsweepError as error:
                if not follow:
                    raise
                if not outage:
                    terminal.say(f"{error} It is tried again.")
                outage, rows = True, []
            else:
                outage = False
            for row in rows:
                yield row.event
                position = row.position
            if not rows:
                if not follow:
                    return
                yield None
                time.sleep(FEED_POLL_S)


def _record_of(job_id: UUID) -> JobRecord:
    with database.reading() as connection:
        return commits.existing(connection, job_id)


def _nudge(job_id: UUID) -> None:
    try:
        sending.send(app(), "tags.start", str(job_id))
    except BrokerUnavailable as error:
        terminal.say(f"{error} Job {job_id} is recorded: a worker will find it in the store.")
