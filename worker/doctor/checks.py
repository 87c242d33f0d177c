"""What is wrong with store, broker and jobs, and what to do about it, in a sentence each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from sqlalchemy import Connection

from tagsweep.worker import database, settings
from tagsweep.worker.broker import inspection, results
from tagsweep.worker.database import schema
from tagsweep.worker.doctor import readiness, redis, webhooks, workers
from tagsweep.worker.doctor.findings import Finding
from tagsweep.worker.errors import TagsweepError
from tagsweep.worker.events import feed, outbox, sinks
from tagsweep.worker.jobs import queries
from tagsweep.worker.settings import (
    REDIS,
    SENTINEL,
    masked,
    scheme,
)
from tagsweep.worker.store import bulk_load

__all__ = ["Finding", "findings"]

#: seconds without progress after which a job is stuck, or an unpublished event is late
LATE_S = 60
DAY_S = 86_400
#: the oldest supported PostgreSQL
OLDEST = (14,)

POOLED = "It is behind a pooler: settings are sent per transaction, nothing is prepared."
SET = "TAGSWEEP_POOLER=transaction: settings are sent per transaction, nothing is prepared."
UNUSED = (
    "It is behind a pooler, with TAGSWEEP_POOLER=none: right for a pooler in session mode, wrong "
    "for one in transaction mode."
)
UNWRITABLE = (
    "Nothing is lost meanwhile: jobs wait. Fix the cause; with failover, name all servers in "
    "TAGSWEEP_DATABASE_URL, with target_session_attrs=read-write."
)


def findings(*, brief: bool = False) -> Iterator[Finding]:
    """Check everything that can be reached, and yield each finding, good or bad.

    ``brief``: for pages, which wait for it: workers are not asked, but as the store knows them, and
    links are not read.
    """
    store = list(_checked("database", _database))
    yield from store
    config = settings.load()
    for url in {url: None for url in config.servers.values() if scheme(url) == SENTINEL}:
        yield from redis.of_sentinels(url)
    if not config.embedded:
        yield from _checked("broker", _broker if brief else _broker_and_workers)
    if brief:
        yield from _checked("workers", workers.seen)
    if config.events_target:
        yield from _checked("events", _events)
    if config.results_url and not results.are_messages():
        yield from _checked("results", _results)
    if not any(finding.is_wrong for finding in store):
        for about, look in _OF_ROWS.items():
            if not (brief and look is _links):
                yield from _checked(about, look)


def _checked(about: str, look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from look()
    except TagsweepError as error:
        yield Finding(about, str(error), "Nothing that depends on it works until this is fixed.")


def _database() -> Iterator[Finding]:
    schema.ready()
    with database.reading() as connection:
        revision = schema.revision(connection)
        pooler = _pooler(connection)
        version = connection.dialect.server_version_info or ()
    where = schema.where()
    if elsewhere := schema.elsewhere():
        yield Finding("database", elsewhere)
    if (0,) < version < OLDEST and database.engine().dialect.name == "postgresql":
        old = f"PostgreSQL {version[0]} is older than any that tagsweep supports."
        yield Finding("database", old, f"Upgrade it to PostgreSQL {OLDEST[0]} or later.")
    yield Finding("database", f"The store at {where} answers and has schema {revision}.")
    if pooler:
        yield Finding("database", pooler)
    if lacking := readiness.missing():
        role = "Its role lacks " + ", ".join(lacking) + "."
        yield Finding("database", role, "Ask the owner of the tables to GRANT it.")
    if why := readiness.problem():
        yield Finding("database", f"It cannot be written to: {why}.", UNWRITABLE)


def _pooler(connection: Connection) -> str | None:
    """Return a sentence about a pooler in front of the store; None if there is none."""
    if not database.is_pooled(connection):
        return UNUSED if database.pooler_detected(connection) else None
    return POOLED if settings.load().pooler is None else SET


def _broker() -> Iterator[Finding]:
    url = settings.load().broker_url
    inspection.probe()  # or pinging the workers could fail for the same reason
    yield Finding("broker", f"{masked(url)} answers; {inspection.waiting():,} messages wait.")
    if scheme(url) in REDIS:
        yield from redis.of_server(url)
    elif version := inspection.rabbitmq():
        what = (
            f"It is RabbitMQ {version}, which does not report queues' types and delivery limits: "
        )
        what += "on a cluster, use quorum queues with a dead-letter exchange (docs/rabbitmq.md)."
        yield Finding("broker", what)


def _broker_and_workers() -> Iterator[Finding]:
    yield from _broker()
    yield from workers.asked()


def _events() -> Iterator[Finding]:
    target = settings.load().events_target
    assert target is not None  # checked only if there is one  # noqa: S101
    sinks.sink_for(target).check(target)
    yield Finding("events", f"{masked(target)}, where events go, answers.")
    with database.reading() as connection:
        oldest = outbox.oldest_unpublished(connection)
    age = (datetime.now(UTC) - oldest).total_seconds() if oldest else 0
    if age > LATE_S:
        what = f"The oldest unpublished event has been waiting for {age:,.0f} s."
        advice = "See the workers' log for the reason; they keep trying."
        yield Finding("events", what, advice)


def _feed() -> Iterator[Finding]:
    """Report servers that took over within the last day without all published events."""
    with database.reading() as connection:
        failovers = feed.failovers(connection, DAY_S)
    for failover in failovers:
        when = f"at {failover.seen_at:%Y-%m-%d %H:%M} UTC" if failover.seen_at else "just now"
        what = (
            f"A standby was promoted, or a backup restored ({when}): it had the feed up to event "
            f"number {failover.after}. Job ends published after that may be missing from the store."
        )
        advice = (
            "Compare what readers of events received with the jobs in the store, and send missing "
            "jobs again; synchronous_standby_names prevents this (docs/guarantees.md)."
        )
        yield Finding("feed", what, advice)


def _results() -> Iterator[Finding]:
    results.check()
    where = masked(settings.load().results_backend)
    yield Finding("results", f"{where}, where results go, accepts them.")


def _links() -> Iterator[Finding]:
    with database.reading() as connection:
        ahead = bulk_load.from_the_future(connection)
    if ahead:
        what = f"{ahead:,} links or workspace tags have a future created_at: no job removes them."
        advice = (
            "Let the database set created_at (its default), and reset it on these rows: "
            "UPDATE tag_link SET created_at = DEFAULT WHERE created_at > now(); the same for "
            "workspace_tag."
        )
        yield Finding("links", what, advice)
    else:
        yield Finding("links", "None has a future created_at.")


def _jobs() -> Iterator[Finding]:
    with database.reading() as connection:
        stuck, paused = queries.stuck(connection, LATE_S), queries.paused(connection)
        waiting, oldest = queries.waiting(connection)
    if oldest is not None:
        since = oldest.accepted_at.isoformat(timespec="seconds")
        what = f"{waiting:,} wait for the store, the oldest since {since} ({oldest.id}): "
        advice = "Fix the cause: they are tried again within a minute, or at once by "
        yield Finding("jobs", f"{what}{oldest.waiting}", f"{advice}`tagsweep jobs resume ID`.")
    for job in stuck:
        done = job.total - job.unprocessed
        what = f"{job.kind} {job.id} of {job.tenant} is {job.status}, {done:,} of {job.total:,} "
        what += f"items done, and has made no progress for {LATE_S} s."
        yield Finding("jobs", what, "Check that workers are running, and see their log.")
    if paused:
        shown = ", ".join(str(job.id) for job in paused)
        yield Finding("jobs", f"Paused: {shown}. `tagsweep jobs resume` continues them.")
    if not stuck and oldest is None:
        yield Finding("jobs", "None is stuck.")


def _messages() -> Iterator[Finding]:
    with database.reading() as connection:
        recent, reasons = queries.dead_letters(connection, DAY_S)
    if recent:
        what = f"{recent:,} messages of the last day were not jobs and were set aside: "
        what += " ".join(reasons)
        yield Finding("messages", what, "See the table set_aside, and fix their senders.")
    else:
        yield Finding("messages", "None was set aside within the last day.")


#: what rows of the store tell
_OF_ROWS = {
    "feed": _feed,
    "links": _links,
    "jobs": _jobs,
    "messages": _messages,
    "webhooks": webhooks.findings,
}
