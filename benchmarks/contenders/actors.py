"""A Dramatiq group: chunks as messages, and a callback that tells when all are done."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import dramatiq
import redis
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import GroupCallbacks
from dramatiq.rate_limits.backends import RedisBackend

from benchmarks.contenders import links
from benchmarks.listening import DONE, Events
from benchmarks.work import Work, broker_url

broker = RedisBroker(url=broker_url())
broker.add_middleware(GroupCallbacks(RedisBackend(url=broker_url())))
dramatiq.set_broker(broker)


@dramatiq.actor
def remove(tags: list[str], ids: list[str]) -> None:
    """Remove the tags from the resources."""
    links.remove(tags, ids)


@dramatiq.actor
def remove_tuned(tags: list[str], ids: list[str]) -> None:
    """Remove them with our own statement."""
    links.remove_tuned(tags, ids)


@dramatiq.actor
def tell(job_id: str) -> None:
    """Publish the event."""
    _redis().xadd(DONE, {"data": json.dumps({"subject": job_id})})


@cache
def _redis() -> redis.Redis:
    return redis.Redis.from_url(broker_url())


class Run:
    """A reader of the events, kept."""

    actor: Any = remove
    cut: Callable[[Work], Iterator[list[str]]] = staticmethod(links.chunks)

    def __init__(self) -> None:
        self._events = Events(broker_url(), DONE)
        self._jobs = 0

    def __call__(self, work: Work) -> dict[str, Any]:
        """Send the group and wait until its event is in the stream."""
        self._jobs += 1
        group = dramatiq.group([self.actor.message(work.tag_ids, ids) for ids in self.cut(work)])
        group.add_completion_callback(tell.message(str(self._jobs)))
        group.run()
        self._events.wait_for(str(self._jobs))
        return {}


class Tuned(Run):
    """The same with our statement, our order and our size of a chunk."""

    actor = remove_tuned
    cut = staticmethod(links.tuned_chunks)
