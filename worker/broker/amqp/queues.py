"""Queues as the broker has them: declared plainly where there is none, else taken as they are.

Whoever declares a queue first decides what it is: its type, its time to live, its limits. To
declare it once more in other words is refused, so it is only looked at.
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
    """A queue of whatever type and arguments; a new one is what its virtual host makes by default.

    No argument is ever sent: a service that declares the queue plainly would be refused then.
    """

    def declare(self, nowait: bool = False, channel: Any = None) -> str:  # noqa: FBT001, FBT002  # kombu's
        """Let there be the queue; raises NotFound where it is there and its node is down.

        Which rights are wanting for the exchange and the binding does not matter: messages come
        through the default exchange.
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
    """Declare where there is none; each try on a channel of its own, for a refusal closes it.

    The third: somebody else was faster, and in other words.
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
                raise  # of a queue that is there, but whose node is down
            refused = error
        else:
            return
    assert refused is not None  # else one of them was right  # noqa: S101
    raise refused


@contextmanager
def _scratch(link: Any) -> Iterator[Any]:
    channel = link.channel()
    try:
        yield channel
    finally:
        channel.close()
