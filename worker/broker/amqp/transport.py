"""AMQP connections with a timeout on every reply.

A broker with an alarm (memory, disk) stops reading from publishers, and confirms, declares and
closes nothing: py-amqp by itself would wait until the alarm is over.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any

import kombu
from amqp import spec
from amqp.exceptions import AMQPError, ChannelError, MessageNacked, RecoverableConnectionError
from celery.app import amqp as celery_amqp
from kombu.connection import ConnectionPool, PooledConnection
from kombu.exceptions import KombuError
from kombu.transport import pyamqp

from tagsweep.worker.broker import names

#: what a connection, or an operation on it, may raise
ERRORS: tuple[type[Exception], ...] = (KombuError, OSError, AMQPError, MessageNacked)
#: seconds that a broker may take to reply; a publish has its own, shorter timeout
ANSWER_S = 5
#: jobs that a worker has in hand at most beyond its limit, to do them together with others: the
#: broker hands them out without knowing how long they take
AHEAD = 16


class _Patient:
    """The wait for a reply, common to channels and connections."""

    connection: Any

    def wait(self, method: Any, callback: Any = None, timeout: Any = None, **options: Any) -> Any:
        """Wait for a reply; without one, close the connection and raise RecoverableConnectionError.

        A reply that came later would be taken for the reply to the next request.
        """
        try:
            return super().wait(method, callback, timeout or ANSWER_S, **options)  # type: ignore[misc]  # of the class it is mixed into
        except TimeoutError as error:
            if self.connection is not None:
                with suppress(AttributeError):  # its socket is gone already
                    self.connection.collect()
            message = f"it has not replied for {timeout or ANSWER_S} s"
            raise RecoverableConnectionError(message) from error


class Unrouted(ChannelError):
    """A message was returned: no queue receives it."""


class Unwanted(ChannelError):
    """A queue refused a message: it is full, or has lost too many of its nodes."""


class Channel(_Patient, pyamqp.Channel):  # type: ignore[misc]  # its wait has no types
    """A channel with a timeout on every reply, and with a confirmation of every message."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._returned: list[str] = []
        self._limit = 0
        self._published = 0  #: the broker confirms messages by their number on the channel
        self._unconfirmed: set[int] | None = None  #: of those that are confirmed together
        self._refused = False
        events: Any = self.events  # type: ignore[attr-defined]  # it has no types
        events["basic_return"].add(self._take_back)
        events["basic_ack"].add(self._confirmed)
        events["basic_nack"].add(self._not_confirmed)

    def basic_qos(self, prefetch_size: int, prefetch_count: int, *args: Any, **options: Any) -> Any:
        """Set how many messages each consumer that begins from here on may have in hand."""
        self._limit = prefetch_count
        return super().basic_qos(prefetch_size, prefetch_count, *args, **options)

    def basic_consume(self, queue: str = "", *args: Any, **options: Any) -> Any:
        """Consume from a queue; a worker's consumer of jobs may have some more in hand."""
        limit = self._limit
        if not limit or queue != names.queue():
            return super().basic_consume(queue, *args, **options)
        self.basic_qos(0, limit + AHEAD, False)  # noqa: FBT003  # AMQP's
        try:
            return super().basic_consume(queue, *args, **options)
        finally:
            self.basic_qos(0, limit, False)  # noqa: FBT003  # the same

    def basic_publish_confirm(self, *args: Any, **options: Any) -> Any:
        """Publish, and return once the message is confirmed, unless it is one of several.

        Raises Unrouted if it was returned, Unwanted if its queue refused it.
        """
        self._published += 1
        if self._unconfirmed is not None:
            self._unconfirmed.add(self._published)
            options.pop("confirm_timeout", None)
            return self._basic_publish(*args, **options)  # type: ignore[attr-defined]  # the same
        self._returned.clear()
        try:
            done = super().basic_publish_confirm(*args, **options)
        except MessageNacked:
            raise Unwanted("its queue refused it") from None
        if self._returned:
            raise Unrouted(self._returned[-1])
        return done

    @contextmanager
    def confirmed_together(self, timeout: float) -> Iterator[None]:
        """Wait for the confirmations of what is published in the block once, at its end.

        Raises as ``basic_publish_confirm``; some messages may have been taken then. The connection
        is given up where any is not known to be confirmed: that would be taken for the next one.
        """
        channel: Any = self  # it has no types
        if not channel._confirm_selected:  # noqa: SLF001  # it is this very class's
            channel._confirm_selected = True  # noqa: SLF001  # the same
            channel.confirm_select()
        self._returned.clear()
        self._unconfirmed, self._refused = set(), False
        try:
            yield
            while self._unconfirmed:
                self.wait([spec.Basic.Ack, spec.Basic.Nack], timeout=timeout)
        except BaseException:
            if self.connection is not None:
                self.connection.collect()
            raise
        finally:
            self._unconfirmed = None
        if self._refused:
            raise Unwanted("a queue refused one of them")
        if self._returned:
            raise Unrouted(self._returned[-1])

    def _confirmed(self, number: int, multiple: bool) -> None:  # noqa: FBT001  # py-amqp's
        """Note that a message is confirmed, or all up to it."""
        for one in [*(self._unconfirmed or ())]:
            if one == number or (multiple and one < number):
                self._unconfirmed.discard(one)  # type: ignore[union-attr]  # it is not empty

    def _not_confirmed(self, number: int, multiple: bool) -> None:  # noqa: FBT001  # the same
        self._refused = True
        self._confirmed(number, multiple)

    def _take_back(self, error: Exception, _: str, routing_key: str, __: object) -> None:
        """Note it: a returned message is confirmed next, which must not be taken for a success."""
        self._returned.append(f"{error}: {routing_key}")


def confirmed_together(channel: Any, timeout: float) -> AbstractContextManager[None]:
    """Wait for the confirmations of what is published in the block once, if the broker confirms."""
    if isinstance(channel, Channel):
        return channel.confirmed_together(timeout)
    return nullcontext()


class _Connection(_Patient, pyamqp.Connection):  # type: ignore[misc]  # the same
    """A connection with a timeout on every reply."""

    Channel = Channel


class Link(kombu.Connection):
    """A connection to any broker; to an AMQP broker, one with a timeout on every reply."""

    def create_transport(self) -> Any:
        """Return the transport, with our connection class on AMQP."""
        transport = super().create_transport()
        if isinstance(transport, pyamqp.Transport):
            transport.Connection = _Connection
        return transport

    @property
    def qos_semantics_matches_spec(self) -> bool:
        """Whether prefetch limits apply per consumer, so that Celery sets them so.

        Quorum queues support no others, and only the broker knows a queue's type.
        """
        return True

    def Pool(self, limit: int | None = None, **options: Any) -> Any:  # noqa: N802  # as kombu calls it
        """Return a pool of such connections."""
        return _Pool(self, limit, **options)


class _Pooled(PooledConnection, Link):  # type: ignore[misc]  # as kombu has it
    """A connection from the pool."""


class _Pool(ConnectionPool):
    """A pool of such connections."""

    def new(self) -> Any:
        """Return a new connection."""
        return _Pooled(self, **dict(self.connection._info(resolve=False)))  # noqa: SLF001  # as kombu does


class AMQP(celery_amqp.AMQP):
    """Celery's AMQP, on these connections."""

    Connection = Link
