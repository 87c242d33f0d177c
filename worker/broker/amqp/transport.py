"""Connections to an AMQP broker on which nobody waits for ever for what the broker does not say.

A broker with an alarm (memory, disk) goes on listening to nobody who publishes, and confirms,
declares and closes nothing: by itself py-amqp would wait till the alarm is over.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import kombu
from amqp.exceptions import AMQPError, ChannelError, MessageNacked, RecoverableConnectionError
from celery.app import amqp as celery_amqp
from kombu.connection import ConnectionPool, PooledConnection
from kombu.exceptions import KombuError
from kombu.transport import pyamqp

#: whatever a connection, or a step on it, may end with
ERRORS: tuple[type[Exception], ...] = (KombuError, OSError, AMQPError, MessageNacked)
#: how long a broker may take to answer a step; a publish has its own, shorter, time
ANSWER_S = 5


class _Patient:
    """What channels and connections do alike: wait for an answer of the broker's."""

    connection: Any

    def wait(self, method: Any, callback: Any = None, timeout: Any = None, **options: Any) -> Any:
        """Wait for an answer; raises RecoverableConnectionError, and hangs up, where none comes.

        An answer that came later would be taken for the one to the next question.
        """
        try:
            return super().wait(method, callback, timeout or ANSWER_S, **options)  # type: ignore[misc]  # of what it is mixed into
        except TimeoutError as error:
            if self.connection is not None:
                with suppress(AttributeError):  # its socket has gone meanwhile
                    self.connection.collect()
            message = f"it has said nothing for {timeout or ANSWER_S} s"
            raise RecoverableConnectionError(message) from error


class Unrouted(ChannelError):
    """A message came back: there is no queue that takes it."""


class Unwanted(ChannelError):
    """A queue refused a message: it is full, or has lost too many of its nodes."""


class Channel(_Patient, pyamqp.Channel):  # type: ignore[misc]  # its wait has no types
    """A channel that waits for a while, and tells of each message what has become of it."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._returned: list[str] = []
        events: Any = self.events  # type: ignore[attr-defined]  # of what has no types
        events["basic_return"].add(self._take_back)

    def basic_publish_confirm(self, *args: Any, **options: Any) -> Any:
        """Publish, and return once it is confirmed.

        Raises Unrouted where it came back, Unwanted where its queue refused it.
        """
        self._returned.clear()
        try:
            done = super().basic_publish_confirm(*args, **options)
        except MessageNacked:
            raise Unwanted("its queue refused it") from None
        if self._returned:
            raise Unrouted(self._returned[-1])
        return done

    def _take_back(self, error: Exception, _: str, routing_key: str, __: object) -> None:
        """Note it: what comes back is confirmed next, and that must not confirm another."""
        self._returned.append(f"{error}: {routing_key}")


class _Connection(_Patient, pyamqp.Connection):  # type: ignore[misc]  # the same
    """A connection that waits for a while."""

    Channel = Channel


class Link(kombu.Connection):
    """A connection to any broker; to an AMQP broker, one that waits for a while."""

    def create_transport(self) -> Any:
        """Return what speaks to the broker."""
        transport = super().create_transport()
        if isinstance(transport, pyamqp.Transport):
            transport.Connection = _Connection
        return transport

    @property
    def qos_semantics_matches_spec(self) -> bool:
        """Whether limits of messages in hand are each consumer's, so that Celery asks for such.

        Quorum queues know no others, and what a queue is only the broker knows.
        """
        return True

    def Pool(self, limit: int | None = None, **options: Any) -> Any:  # noqa: N802  # as kombu calls it
        """Return a pool of such connections."""
        return _Pool(self, limit, **options)


class _Pooled(PooledConnection, Link):  # type: ignore[misc]  # as kombu has it
    """One of a pool."""


class _Pool(ConnectionPool):
    """A pool of such connections."""

    def new(self) -> Any:
        """Return one more."""
        return _Pooled(self, **dict(self.connection._info(resolve=False)))  # noqa: SLF001  # as kombu does


class AMQP(celery_amqp.AMQP):
    """Celery's own, on such connections."""

    Connection = Link
