"""What is wrong with store, broker and jobs, and what to do about it, each in a sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from sqlalchemy import Connection

from tagsweep.worker import database, settings
from tagsweep.worker.broker import inspection, results
from tagsweep.worker.database import errors, schema
from tagsweep.worker.doctor import readiness, redis
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

#: after how long without a step a job is stuck, and an unpublished event is late
LATE_S = 60
DAY_S = 86_400
#: the first PostgreSQL that we work on
OLDEST = (14,)

POOLED = "A pooler stands before it: each transaction brings its settings, nothing is prepared."
TOLD = "TAGSWEEP_POOLER=transaction: each transaction brings its settings, nothing is prepared."
UNUSED = (
    "A pooler stands before it, and TAGSWEEP_POOLER=none: right where it lends whole sessions, "
    "wrong where it lends them for a transaction."
)
UNWRITABLE = (
    "Nothing is lost meanwhile: jobs wait. Mend what it says; behind a failover name all servers "
    "in TAGSWEEP_DATABASE_URL, with target_session_attrs=read-write."
)


def findings() -> Iterator[Finding]:
    """Look at everything that can be reached, and yield what was found, wrong or not."""
    store = list(_tried("database", _database))
    yield from store
    config = settings.load()
    for url in {url: None for url in config.servers.values() if scheme(url) == SENTINEL}:
        yield from redis.of_sentinels(url)
    if not config.embedded:
        yield from _tried("broker", _broker)
    if config.events_target:
        yield from _tried("events", _events)
    if config.results_url and not results.are_messages():
        yield from _tried("results", _results)
    if not any(finding.is_wrong for finding in store):
        for about, look in (
            ("feed", _feed),
            ("links", _links),
            ("jobs", _jobs),
            ("messages", _messages),
        ):
            yield from _tried(about, look)


def _tried(about: str, look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from look()
    except TagsweepError as error:
        yield Finding(about, str(error), "Nothing that depends on it works before that is mended.")


def _database() -> Iterator[Finding]:
    schema.ready()
    with database.reading() as connection:
        found = schema.revision(connection)
        pooler = _pooler(connection)
        version = connection.dialect.server_version_info or ()
    where = errors.describe(settings.load().database_url)
    if elsewhere := schema.elsewhere():
        yield Finding("database", elsewhere)
    if (0,) < version < OLDEST and database.engine().dialect.name == "postgresql":
        old = f"PostgreSQL {version[0]} is older than any that tagsweep is tested with."
        yield Finding("database", old, f"Upgrade it to PostgreSQL {OLDEST[0]} or later.")
    yield Finding("database", f"The store at {where} answers and has schema {found}.")
    if pooler:
        yield Finding("database", pooler)
    if lacking := readiness.missing():
        role = "Its role lacks " + ", ".join(lacking) + "."
        yield Finding("database", role, "Let the owner of the tables GRANT it.")
    if why := readiness.problem():
        yield Finding("database", f"It cannot be written to: {why}.", UNWRITABLE)


def _pooler(connection: Connection) -> str | None:
    """Return what there is to say of a pooler before the store."""
    if not database.is_pooled(connection):
        return UNUSED if database.is_lent(connection) else None
    return POOLED if settings.load().pooler is None else TOLD


def _broker() -> Iterator[Finding]:
    url = settings.load().broker_url
    inspection.probe()  # where it takes no message, it does not take our question to workers either
    yield Finding("broker", f"{masked(url)} answers; {inspection.waiting():,} messages wait.")
    if scheme(url) in REDIS:
        yield from redis.of_server(url)
    elif version := inspection.rabbitmq():
        what = (
            f"It is RabbitMQ {version}, which tells neither types nor delivery limits of queues: "
        )
        what += "on a cluster, use quorum queues, with a dead-letter exchange (docs/rabbitmq.md)."
        yield Finding("broker", what)
    if workers := inspection.workers():
        yield Finding("workers", f"{len(workers)} answer: {', '.join(workers)}.")
    else:
        yield Finding("workers", "No worker answers.", "Start one: tagsweep worker")


def _events() -> Iterator[Finding]:
    target = settings.load().events_target
    assert target is not None  # looked at only where there is one  # noqa: S101
    sinks.sink_for(target).check(target)
    yield Finding("events", f"{masked(target)}, where events go, answers.")
    with database.reading() as connection:
        oldest = outbox.oldest_unpublished(connection)
    age = (datetime.now(UTC) - oldest).total_seconds() if oldest else 0
    if age > LATE_S:
        what = f"The oldest event that is not published waits for {age:,.0f} s."
        advice = "See the log of the workers: it says why it is not taken; they go on trying."
        yield Finding("events", what, advice)


def _feed() -> Iterator[Finding]:
    """Tell of servers that took over within the last day without all that had been told."""
    with database.reading() as connection:
        found = feed.failovers(connection, DAY_S)
    for one in found:
        when = f"at {one.seen_at:%Y-%m-%d %H:%M} UTC" if one.seen_at else "just now"
        what = (
            f"A standby was promoted, or a backup restored ({when}): it knew the feed up to event "
            f"number {one.after}. Ends that were told after that may be gone from the store."
        )
        advice = (
            "Let readers of events compare with the jobs there are, and send anew what is missing; "
            "synchronous_standby_names keeps it from happening (docs/guarantees.md)."
        )
        yield Finding("feed", what, advice)


def _results() -> Iterator[Finding]:
    results.check()
    where = masked(settings.load().results_backend)
    yield Finding("results", f"{where}, where answers go, takes them.")


def _links() -> Iterator[Finding]:
    with database.reading() as connection:
        ahead = bulk_load.from_the_future(connection)
    if ahead:
        what = f"{ahead:,} links or workspace tags are from the future: no job removes them."
        advice = (
            "Let the database set created_at (its default), and set it back on these rows: "
            "UPDATE tag_link SET created_at = DEFAULT WHERE created_at > now(); the same for "
            "workspace_tag."
        )
        yield Finding("links", what, advice)
    else:
        yield Finding("links", "None is from the future.")


def _jobs() -> Iterator[Finding]:
    with database.reading() as connection:
        stuck, paused = queries.stuck(connection, LATE_S), queries.paused(connection)
        waiting, oldest = queries.waiting(connection)
    if oldest is not None:
        since = oldest.accepted_at.isoformat(timespec="seconds")
        what = f"{waiting:,} wait for the store, the oldest since {since} ({oldest.id}): "
        advice = "Mend what it says: they are tried again within a minute, or at once by "
        yield Finding("jobs", f"{what}{oldest.waiting}", f"{advice}`tagsweep jobs resume ID`.")
    for job in stuck:
        done = job.total - job.unprocessed
        what = f"{job.kind} {job.id} of {job.tenant} is {job.status}, {done:,} of {job.total:,} "
        what += f"items done, and nothing has happened to it for {LATE_S} s."
        yield Finding("jobs", what, "See whether workers run and what their log says.")
    if paused:
        shown = ", ".join(str(job.id) for job in paused)
        yield Finding("jobs", f"Paused: {shown}. `tagsweep jobs resume` lets them go on.")
    if not stuck and oldest is None:
        yield Finding("jobs", "None is stuck.")


def _messages() -> Iterator[Finding]:
    with database.reading() as connection:
        recent, reasons = queries.set_aside(connection, DAY_S)
    if recent:
        what = f"{recent:,} messages of the last day were no job and were set aside: "
        what += " ".join(reasons)
        yield Finding("messages", what, "Look at the table set_aside, and mend who sent them.")
    else:
        yield Finding("messages", "None was set aside within the last day.")
