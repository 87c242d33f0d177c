"""``manage.py tagsweep_events``: sends the signal ``job_completed`` for each end of a job."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connections

from tagsweep.producer.django import configuration, delivery
from tagsweep.producer.django.delivery import ReceiverFailed
from tagsweep.worker.errors import TagsweepError

POLL_S = 1.0
LONGEST_PAUSE_S = 60.0
#: what may pass by itself
FAILURES = (ReceiverFailed, DatabaseError, TagsweepError)


class Command(BaseCommand):
    """Read the completion events, and go on where the last run ended."""

    help = (
        "Sends the signal job_completed for each end of a job, in order and at least once; runs "
        "until it is stopped, and goes on where it ended."
    )

    def add_arguments(self, parser: Any) -> None:
        """Add the options."""
        parser.add_argument(
            "--once", action="store_true", help="Send what there is by now, and end."
        )
        parser.add_argument(
            "--name", default="default", help="Of this consumer, which has its own position."
        )
        parser.add_argument(
            "--from-now",
            action="store_true",
            help="A consumer that is new leaves out the events of the past.",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Send signals until stopped; raises CommandError."""
        pause, begun = POLL_S, False
        while True:
            try:
                if not begun and (said := delivery.begin(options["name"], now=options["from_now"])):
                    self.stderr.write(said)
                begun = True
                while delivery.deliver(options["name"]):
                    pause = POLL_S
                if options["once"]:
                    return
                time.sleep(POLL_S)
            except KeyboardInterrupt:  # the way to end it
                return
            except FAILURES as error:
                if options["once"]:
                    raise CommandError(str(error)) from error
                self.stderr.write(f"{error} Trying again in {pause:.0f} s.")
                connections[configuration.alias()].close()
                time.sleep(pause)
                pause, begun = min(pause * 2, LONGEST_PAUSE_S), False
