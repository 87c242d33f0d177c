"""Small jobs whose messages are there together: done in one transaction, answered together."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from tagsweep.worker.broker import batching
from tagsweep.worker.broker.delivery import Delivery
from tagsweep.worker.chunks import batches, express, plain
from tagsweep.worker.errors import InvalidJob, Retryable, StoreBusy, StoreRefused
from tagsweep.worker.events import ending
from tagsweep.worker.jobs.batch_ends import NewJob
from tagsweep.worker.mapping import checking
from tagsweep.worker.models.jobs import KINDS
from tagsweep.worker.tasks import replies

log = logging.getLogger(__name__)

#: items of one batch: about 50 ms of work
MAX_ITEMS = 5_000
TASKS = frozenset(kind.task for kind in plain.KINDS)


@dataclass(frozen=True, slots=True)
class _Small:
    """A valid job that is small and plain, and its message."""

    new: NewJob
    delivery: Delivery


def do(deliveries: Sequence[Delivery]) -> Collection[str]:
    """Do the small and plain ones of these jobs; return the ids of the messages that are done.

    Nothing was done for the others: each is to be done alone.
    """
    small = _chosen(deliveries)
    try:
        ended = _together(small)
    except Retryable as error:
        log.debug("A batch could not be done: %s", error)
        return ()
    except Exception:  # whichever job it is, will say so alone
        log.exception("A batch of %d jobs was stopped.", len(small))
        return ()
    return {one.delivery.task_id for one in small if one.new.job_id in ended}


def _chosen(deliveries: Sequence[Delivery]) -> list[_Small]:
    """Return the jobs that can be done together: no id twice, and no more items than one batch."""
    found: dict[UUID, _Small] = {}
    items = 0
    for delivery in deliveries:
        small = _small(delivery)
        if small is None or small.new.job_id in found:
            continue
        items += plain.items_of(small.new.job)
        if items > MAX_ITEMS:
            break
        found[small.new.job_id] = small
    return list(found.values())


def _small(delivery: Delivery) -> _Small | None:
    job_id = delivery.job_id
    if job_id is None:
        return None
    try:
        job = KINDS[delivery.task.removeprefix("tags.")].parse(delivery.body)
        checking.check(job)
    except InvalidJob:
        return None
    if not plain.is_plain(job, express.MAX_ITEMS):
        return None
    return _Small(NewJob(job_id, job, job.fingerprint()), delivery)


def _together(small: Sequence[_Small]) -> set[UUID]:
    """Do the jobs in one transaction; if anything is in the way, each in one of its own.

    Return the ids of those that have ended. After two that could not be done, all that are left are
    left out: each would keep the others waiting.
    """
    try:
        return _applied(small)
    except (StoreBusy, StoreRefused):
        if len(small) == 1:
            return set()
    ended: set[UUID] = set()
    failures = 0
    for one in small:
        with suppress(StoreBusy, StoreRefused):
            ended |= _applied([one])
            continue
        failures += 1
        if failures > 1:
            break
    return ended


def _applied(small: Sequence[_Small]) -> set[UUID]:
    if not small:
        return set()
    new_jobs = [one.new for one in small]
    wait = any(replies.waits(one.new.job_id, one.delivery) for one in small)
    with ending.transaction(len(small)) as step:
        connection = step.connection
        done = batches.apply(connection, new_jobs, commit=not wait, committed=step.claim)
        ended = ((one.new.job_id, one.delivery) for one in small if one.new.job_id in done.ended)
        replies.remember_all(connection, ended)
        step.publish(done.ended)
    return set(done.ended)


batching.batch_with(batching.Steps(TASKS, plain.seems_plain, do))
