"""An express worker passes large messages on unread, to the workers that take sweeps and parts.

Reading one would take it longer than small jobs are to wait.
"""

from __future__ import annotations

import logging
from typing import Any

from kombu import Message

from tagsweep.worker.broker import names, sending
from tagsweep.worker.broker.runtime.reconnection import Consumer as Reconnecting
from tagsweep.worker.errors import BrokerUnavailable
from tagsweep.worker.outages import Outage

log = logging.getLogger(__name__)

#: bytes of a message that is read: some 6,500 ids
MAX_BYTES = 256 * 1024
#: seconds before the broker is asked again to take one
AGAIN_S = 1.0

_outage = Outage(log, "Large messages are passed on again")


def is_express(app: Any) -> bool:
    """Tell whether this worker takes jobs, and leaves sweeps to others."""
    taken = app.amqp.queues.consume_from
    return names.queue() in taken and names.sweeps() not in taken


class Consumer(Reconnecting):
    """Celery's consumer, except that on an express worker it passes large messages on."""

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Any:
        """Return what is called with each message."""
        handle = super().create_task_handler(*args, **kwargs)

        def received(message: Message) -> None:
            if len(message.body or b"") > MAX_BYTES and is_express(self.app):
                self._pass_on(message)
            else:
                handle(message)

        return received

    def _pass_on(self, message: Message) -> None:
        """Send a copy to the queue of parts; until the broker has it, the message is kept."""
        try:
            sending.pass_on(message, names.parts())
        except BrokerUnavailable as error:
            _outage.failed(f"A large message waits until it can be passed on: {error}")
            self.timer.call_after(AGAIN_S, self._pass_on, (message,))
        else:
            _outage.over()
            message.ack_log_error(log, self.connection_errors)
