"""Whether an AMQP broker takes messages: tried with one that no queue takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amqp.exceptions import NotFound

from tagsweep.worker import settings
from tagsweep.worker.broker import error_replies, names
from tagsweep.worker.broker.amqp.transport import ERRORS, Link
from tagsweep.worker.broker.error_replies import Server

#: how long a broker may take to confirm a message to nobody
PROBE_S = 1.0


class _Alarm(Exception):
    """The broker takes no messages: its memory or disk is short."""


def probe(server: Server, queues: Sequence[str] = ()) -> None:
    """Give an AMQP broker a message that no queue takes, and look whether these queues are up.

    Raises BrokerUnavailable, or BrokerRefused, in its own words. A queue that nobody has declared
    yet is no fault.
    """
    wait = settings.load().connect_timeout_s
    # a connection of its own: to one that publishes, a broker says why it takes nothing
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
        link.collect()  # a broker that is blocked does not answer to a proper good-bye


def _stop(reason: str) -> None:
    """Wait for nothing more: a broker with an alarm confirms nothing."""
    raise _Alarm(reason)


def _look(link: Link, queues: Sequence[str]) -> None:
    channel: Any = link.channel()
    for queue in queues:
        try:
            channel.queue_declare(queue, passive=True)
        except NotFound as error:
            if "down" in str(error):  # it is there, and the node that it is on is not
                raise
            channel = link.channel()  # the error has closed the other
