"""The completion events of the store's own feed, also while the store is away for a moment."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime

from tagsweep.producer.cli.output import terminal
from tagsweep.worker import database
from tagsweep.worker.errors import TagsweepError
from tagsweep.worker.events import reading

POLL_S = 0.2
#: events read at once
PIECE = 100


def read(since: datetime | None, *, follow: bool) -> Iterator[str | None]:
    """Yield the events as JSON; if ``follow``, without end, and None whenever none is new."""
    position, these = 0, () if since is None else (reading.since(since),)
    if since:
        with database.reading() as connection:
            position = reading.position_at(connection, since)
    outage = False
    while True:
        try:
            with database.reading() as connection:
                rows = reading.after(connection, position, PIECE, *these)
        except TagsweepError as error:
            if not follow:
                raise
            if not outage:
                terminal.say(f"{error} Trying again.")
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
            time.sleep(POLL_S)
