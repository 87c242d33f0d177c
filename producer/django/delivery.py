"""Completion events become signals: in the order of their feed, from where the last run ended.

Signal and position are one transaction of the project's database: what receivers write there is
written once for each event. Anything else that they do may happen again, after a crash or an error.
"""

from __future__ import annotations

import json
from typing import Any

from django.db import transaction

from tagsweep.producer.django import configuration
from tagsweep.producer.django.changes import Changes
from tagsweep.producer.django.models import EventPosition, Job
from tagsweep.producer.django.signals import job_completed
from tagsweep.worker import database
from tagsweep.worker.events import feed, reading

#: events that are read at once
MOST = 100

LOST = "Some events were deleted before this consumer read them: run it without long breaks."


class ReceiverFailed(Exception):
    """A receiver of the signal raised an error; the event is sent again next time."""


def begin(name: str, *, now: bool) -> str | None:
    """Ensure that a consumer has a position it can go on from; return what there is to say.

    ``now``: a consumer that is new begins with the events to come, not with the oldest kept.
    """
    with database.reading() as connection:
        bounds = feed.bounds(connection)
    positions = EventPosition.objects.using(configuration.alias())
    first = bounds.last if now else bounds.first
    own, _ = positions.get_or_create(name=name, defaults={"position": first})
    known = bounds.known_before(own.position)
    if known is not None and known < own.position:  # a backup was restored, or a standby promoted
        positions.filter(name=name).update(position=known)
    return LOST if own.position < bounds.first else None


def deliver(name: str) -> int:
    """Send the signals of the next events; return how many there were. Raises ReceiverFailed."""
    position = EventPosition.objects.using(configuration.alias()).get(name=name).position
    with database.reading() as connection:
        rows = reading.after(connection, position, MOST)
    for row in rows:
        _send(name, row.position, json.loads(row.event))
    return len(rows)


def _send(name: str, position: int, event: dict[str, Any]) -> None:
    alias, job = configuration.alias(), event["data"]
    with transaction.atomic(using=alias):
        own = EventPosition.objects.using(alias).select_for_update().get(name=name)
        if own.position >= position:  # another process of this consumer was faster
            return
        if configuration.fixed_tenant() in (None, job["tenant"]):
            try:
                job_completed.send(sender=Job, event=event, job=job, changed=Changes(job))
            except Exception as error:
                raise ReceiverFailed(
                    f"A receiver of job_completed failed on the event {event['id']}: "
                    f"{type(error).__name__}: {error}"
                ) from error
        own.position = position
        own.save(using=alias, update_fields=["position"])
