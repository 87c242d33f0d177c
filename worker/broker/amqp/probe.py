"""Whether an AMQP broker accepts messages: a probe sent to no queue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amqp.exceptions import NotFound

from tagsweep.worker import settings
from tagsweep.worker.broker import error_replies, names
from tagsweep.worker.broker.amqp.transport import ERRORS, Link
from tagsweep.worker.broker.error_replies import Server

#: how long a broker may take to confirm the probe
PROBE_S = 1.0


class _Alarm(Exception):
    """The broker blocks publishers: it is short of memory or disk."""


def probe(server: Server, queues: Sequence[str] = ()) -> None:
    """Publish a message that no queue receives, and check that these queues are up.

    Raises BrokerUnavailable, or BrokerRefused with the broker's own words. A queue that has not
    been declared yet is not an error.
    """
    wait = settings.load().connect_timeout_s
    # a connection of its own: a broker reports why it blocks only to a connection that publishes
    link = Link(server.url, connect_timeout=wait, transport_options={"confirm_publish": True})
    try:
        raw: Any = link.connection
        raw.on_blocked = _stop
        link.Producer().publish("", routing_key=f"{names.queue()}.nobody", confirm_timeout=PROBE_S)
        _look(link, queues)
    except _Alarm as alarm:
        raise error_replies.blocked(server, str(alarm)) from alarm
    except ERRORS as error:
        raise error_replies.raised(server, error) from error
    finally:
        link.collect()  # a broker that blocks does not answer a regular close


def _stop(reason: str) -> None:
    """Stop waiting: a broker with an alarm confirms nothing."""
    raise _Alarm(reason)


def _look(link: Link, queues: Sequence[str]) -> None:
    channel: Any = link.channel()
    for queue in queues:
        try:
            channel.queue_declare(queue, passive=True)
        except NotFound as error:
            if "down" in str(error):  # the queue exists, but its node is down
                raise
            channel = link.channel()  # the error closed the previous one
