"""Webhooks are sent by one worker at a time, of those that have the key to their secrets."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress

from tagsweep.worker import database, settings
from tagsweep.worker.database import lease
from tagsweep.worker.errors import TagsweepError
from tagsweep.worker.outages import Outage
from tagsweep.worker.tasks import recovery_turns
from tagsweep.worker.webhooks import fanout

log = logging.getLogger(__name__)

#: seconds that a lease lasts, and after which it is renewed
LEASE_S, RENEW_S = 9, 3
#: seconds between two looks whether there are any webhooks, and whether another sender is gone
IDLE_S, OTHER_S = 2.0, 5.0

_outage = Outage(log, "Webhooks are sent again")


def take(stop: threading.Event) -> None:
    """Recover, and send webhooks, whenever it is this worker's turn, until ``stop`` is set."""
    sending = None
    if settings.load().secret_key is not None:
        turn = Turn(stop)
        sending = threading.Thread(target=turn.run, name="tagsweep-webhooks", daemon=True)
        sending.start()
    recovery_turns.take(stop)
    if sending is not None:
        sending.join(recovery_turns.RENEW_S)


class Turn:
    """This worker's turn to send webhooks, which a lease gives it."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._renew_at = 0.0  #: by the monotonic clock; 0: another worker holds the lease
        self._any = False  #: whether there are any webhooks

    def run(self) -> None:
        """Send whenever it is this worker's turn and there are webhooks."""
        while not self._stop.is_set():
            try:
                self._stop.wait(self._look())
                _outage.over()
            except TagsweepError as error:
                _outage.failed(f"Webhooks: {error}")
                self._stop.wait(IDLE_S)
            except Exception:
                if not self._stop.is_set():
                    log.exception("Sending webhooks was stopped.")
                self._stop.wait(OTHER_S)
        self._end()

    def _look(self) -> float:
        """Send, if there is anything to; return after how many seconds to look again."""
        if self.may_go_on():
            # loaded only here: a worker without webhooks need not have them in memory
            from tagsweep.worker.webhooks import sender

            sender.Sender(self.may_go_on).run()
        return IDLE_S if self._renew_at else OTHER_S

    def may_go_on(self) -> bool:
        """Tell whether it is this worker's turn, and there are webhooks."""
        if self._stop.is_set():
            return False
        if time.monotonic() >= self._renew_at:
            with database.transaction() as connection:
                holds = settings.load().embedded or lease.hold(
                    connection, lease.WEBHOOKS, recovery_turns.WORKER, LEASE_S
                )
                self._any = holds and fanout.any_webhook(connection)
            self._renew_at = time.monotonic() + RENEW_S if holds else 0.0
        return self._renew_at > 0 and self._any

    def _end(self) -> None:
        """Give up the lease, so that another worker need not wait until it is over."""
        with suppress(TagsweepError), database.transaction() as connection:
            lease.release(connection, lease.WEBHOOKS, recovery_turns.WORKER)
