"""A valid job on its way: recorded in the store, where it is never lost, then told to a worker."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from uuid import UUID, uuid4

import typer

from producer.cli import outcome, terminal, trouble, watching
from producer.cli.menu import INTERRUPTED
from worker import database, intake, relay, schema, settings
from worker.errors import BrokerUnavailable
from worker.messaging import broker, embedded
from worker.messaging.app import app
from worker.models.jobs import Job
from worker.models.records import Lists
from worker.models.resources import WIDTH

#: ids that are recorded as one row
MOST_IDS = 250_000


def submit(job: Job, *, wait: bool, as_json: bool) -> None:
    """Record ``job``, wait for its end unless told not to, and tell what became of it.

    Raises typer.Exit with the status of the command.
    """
    job_id = _record(job)
    if not wait:
        outcome.tell_recorded(job_id, as_json=as_json)
        return
    with _told_on_interrupt(job_id):
        if settings.load().embedded:
            status = _do_here(job_id, as_json=as_json)
        else:
            status = outcome.tell(watching.until_ended(job_id), as_json=as_json)
    raise typer.Exit(status)


def _record(job: Job) -> UUID:
    """Record the job in one transaction, once store and broker are known to answer."""
    schema.ready()
    if not settings.load().embedded:
        broker.check(app())
    job_id = uuid4()
    with database.transaction() as connection:
        intake.record_with_lists(connection, job_id, job, _parts(job))
    if not settings.load().embedded:
        _nudge(job_id)
    return job_id


def _nudge(job_id: UUID) -> None:
    try:
        broker.send(app(), "tags.start", str(job_id))
    except BrokerUnavailable as error:
        terminal.say(f"{error} Job {job_id} is recorded: a worker will find it in the store.")


def _do_here(job_id: UUID, *, as_json: bool) -> int:
    """Run a worker in this process till the job, and those recorded before it, have ended."""
    with trouble.told(), embedded.worker():
        data = watching.until_ended(job_id, watching.HELD_UP)
        relay.deliver(job_id)  # unless the worker has done it, a moment after the end
        status = outcome.tell(data, as_json=as_json)
        watching.until_earlier_ended(job_id)
    return status


@contextmanager
def _told_on_interrupt(job_id: UUID) -> Iterator[None]:
    """Say on Ctrl-C that the job goes on, and exit."""
    try:
        yield
    except KeyboardInterrupt:
        if settings.load().embedded:
            how = "the next command that runs a worker goes on with it (tagsweep worker)"
        else:
            how = f"it goes on; tagsweep jobs watch {job_id} shows it"
        terminal.say(f"Stopped waiting. Job {job_id} is recorded: {how}.")
        raise typer.Exit(INTERRUPTED) from None


def _parts(job: Job) -> Iterator[Lists]:
    """Yield the job's long lists in rows of at most MOST_IDS."""
    names = job.workspace_ids()
    for at in range(0, len(names), MOST_IDS):
        yield Lists({}, names[at : at + MOST_IDS])
    yield from _packed_parts(job.packed())


def _packed_parts(lists: Mapping[int, bytes]) -> Iterator[Lists]:
    part: dict[int, bytes] = {}
    room = MOST_IDS * WIDTH
    for number, ids in lists.items():
        at = 0
        while at < len(ids):
            part[number] = ids[at : at + room]
            at += len(part[number])
            room -= len(part[number])
            if not room:
                yield Lists(part, ())
                part, room = {}, MOST_IDS * WIDTH
    if part:
        yield Lists(part, ())
