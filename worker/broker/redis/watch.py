"""Notices that a message was put into a queue, without asking again and again.

Redis tells a client once that a key which it has read was changed (CLIENT TRACKING, Redis 6). So an
idle worker asks whether any of its queues exists, and if none does, Redis tells it when one comes
into being: whoever sends, to whichever queue, with whatever priority. Nothing is taken by that.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from kombu.transport import redis

from tagsweep.worker.outages import Outage

log = logging.getLogger(__name__)

REFUSED = (
    "Redis is asked for messages many times a second, since it does not say when one comes "
    "({reason}). Needed are Redis 6, redis-py 8, and the right to CLIENT TRACKING and CACHING."
)
OLD_PROTOCOL = "the connection uses RESP2"

_REFUSALS = redis.get_redis_error_classes().channel_errors
_CHANGED = object()

_outage = Outage(log, "Redis says when a message comes")


class Watch:
    """Watches the queues of one connection, on which nothing else is under way meanwhile."""

    def __init__(self) -> None:
        self.refused = False  #: whether this Redis cannot do it, or does not let this user
        self._socket: Any = None  #: the one that it was switched on for
        self._unread = 0  #: how many replies are still to come

    @property
    def unanswered(self) -> bool:
        """Whether Redis has not answered the last question yet."""
        return self._unread > 0

    def begin(self, connection: Any, keys: Sequence[str]) -> bool:
        """Ask whether any of the lists exists; False if Redis refuses to say when one does."""
        if self._socket is not connection._sock:  # noqa: SLF001  # as kombu compares them
            self._unread = 0
            self._switch_on(connection)
        if self.refused:
            return False
        question = [("CLIENT", "CACHING", "YES"), ("EXISTS", *keys)]
        connection.send_packed_command(connection.pack_commands(question))
        self._unread += len(question)
        return True

    def has_noticed(self, connection: Any) -> bool:
        """Read what has arrived; return whether any of the lists may exist."""
        noticed = False
        while True:
            answer = connection.read_response(push_request=True)
            if answer is _CHANGED:
                noticed = True
            else:
                self._unread -= 1
                noticed = noticed or (isinstance(answer, int) and answer > 0)
            # what the parser has read already would not make the socket readable again
            if not self._unread and not connection.can_read(timeout=0):
                return noticed

    def read_unasked(self, connection: Any) -> None:
        """Read what Redis says while it is asked nothing: each list that was watched changes once.

        There need not be anything: of TLS a socket has more to read than what Redis says.
        """
        while connection.can_read(timeout=0):
            connection.read_response(push_request=True)

    def end(self, connection: Any) -> None:
        """Read the replies that are still to come, so that another command can be sent."""
        if self._unread and self._socket is connection._sock:  # noqa: SLF001  # the same
            self.has_noticed(connection)

    def _switch_on(self, connection: Any) -> None:
        """Switch it on for this connection, or note that it is refused."""
        reason = OLD_PROTOCOL if str(connection.get_protocol()) != "3" else None
        try:
            for command in () if reason else (("TRACKING", "ON", "OPTIN"), ("CACHING", "YES")):
                connection.send_command("CLIENT", *command)
                connection.read_response()
        except _REFUSALS as error:
            reason = str(error)
        else:
            connection._parser.set_invalidation_push_handler(lambda _: _CHANGED)  # noqa: SLF001  # no other way
        if reason:
            _outage.failed(REFUSED.format(reason=reason))
        self.refused = reason is not None
        self._socket = connection._sock  # noqa: SLF001  # as above
