"""Queues as the broker has them: declared without arguments if missing, otherwise used as they are.

Whoever declares a queue first decides its type, time to live and limits. Declaring it again with
other arguments is refused, so an existing queue is only looked up.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import kombu
from amqp.exceptions import AccessRefused, ChannelError, NotFound
from kombu.transport import pyamqp

log = logging.getLogger(__name__)


class Queue(kombu.Queue):
    """A queue of any type and arguments; a new one gets the defaults of its virtual host.

    No argument is ever sent: a service that declares the queue without arguments would then be
    refused.
    """

    def declare(self, nowait: bool = False, channel: Any = None) -> str:  # noqa: FBT001, FBT002  # kombu's
        """Ensure that the queue exists; raises NotFound if it does but its node is down.

        Missing rights on the exchange or the binding do not matter: messages are sent through the
        default exchange.
        """
        channel = channel or self.channel
        if not isinstance(channel, pyamqp.Channel):
            return str(super().declare(nowait=nowait, channel=channel))
        link = channel.connection
        _have(link, lambda on, passive: self.queue_declare(passive=passive, channel=on))
        try:
            _have(link, lambda on, passive: self.exchange.declare(passive=passive, channel=on))
            with _scratch(link) as on:
                self.queue_bind(channel=on)
        except AccessRefused as refused:
            log.debug("The queue %s is bound to no exchange of its name: %s", self.name, refused)
        return str(self.name)


def _have(link: Any, declare: Callable[[Any, bool], object]) -> None:
    """Declare it if it is missing; each attempt on its own channel, since an error closes it.

    The third attempt is for when another client declared it in between, with other arguments.
    """
    refused: ChannelError | None = None
    for passive in (True, False, True):
        try:
            with _scratch(link) as channel:
                declare(channel, passive)
        except AccessRefused:
            raise
        except ChannelError as error:
            if isinstance(refused, NotFound) and not passive and isinstance(error, NotFound):
                raise  # the queue exists, but its node is down
            refused = error
        else:
            return
    assert refused is not None  # otherwise an attempt succeeded  # noqa: S101
    raise refused


@contextmanager
def _scratch(link: Any) -> Iterator[Any]:
    channel = link.channel()
    try:
        yield channel
    finally:
        channel.close()
