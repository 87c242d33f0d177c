"""Services of others, in a process of their own: ``python -m tests.weather.sender BROKER RESULTS``.

Orders come as JSON lines on stdin, what becomes of them goes out the same way. Each lane is a
service: one waits for each answer before it sends the next job, one sends many and asks later, one
streams. Where the broker does not take a job it is told, and sends it again till it is taken; where
an answer does not come it asks again, by sending the same job under the same id.
"""

from __future__ import annotations

import itertools
import json
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

from celery import Celery
from celery.exceptions import TimeoutError as CeleryTimeout

from tagsweep import TagSweep
from tagsweep.producer import sender, spool
from tagsweep.producer.handle import JobHandle
from tagsweep.worker.errors import BrokerUnavailable, JobEnded
from tests.support.stack import _caller
from tests.support.wire import QUEUE

PAUSE_S = 0.3
#: after so long nobody waits for an answer any more
MOST_S = 60
#: what a job's failure is called where Celery raises it
ENDED = {JobEnded.__name__, *(one.__name__ for one in JobEnded.__subclasses__())}

Order = dict[str, Any]
_said = threading.Lock()


def _tries() -> Iterator[int]:
    """Count the tries to get an answer, for as long as anybody would wait for it."""
    since = time.monotonic()
    return itertools.takewhile(lambda _: time.monotonic() - since < MOST_S, itertools.count(1))


def say(**what: Any) -> None:
    """Tell the test."""
    with _said:
        print(json.dumps(what, default=repr), flush=True)  # noqa: T201  # this is the way out


class Service:
    """A service that knows the broker and nothing of ours: a plain Celery app."""

    def __init__(self, broker_url: str, backend_url: str) -> None:
        self._urls = broker_url, backend_url
        self._app = _caller(*self._urls)

    def send(self, order: Order) -> Any:
        """Send a job till it is taken; return what waits for its answer."""
        while True:
            try:
                pending = _send(self._app, order)
            except Exception as error:  # noqa: BLE001  # whatever it is: it was not taken
                say(id=order["id"], refused=f"{type(error).__name__}: {error}")
                time.sleep(PAUSE_S)
            else:
                say(id=order["id"], taken=True)
                return pending

    def answer(self, order: Order, pending: Any) -> None:
        """Wait for a job's answer, and tell it."""
        for asks in _tries():
            try:
                say(id=order["id"], asks=asks, answer=pending.get(timeout=order["patience_s"]))
            except CeleryTimeout:
                say(id=order["id"], unanswered=asks)
            except Exception as error:  # noqa: BLE001  # told apart by its name
                if type(error).__name__ in ENDED:
                    say(id=order["id"], asks=asks, raised=str(error))
                    return
                say(id=order["id"], unanswered=f"{type(error).__name__}: {error}")
                time.sleep(PAUSE_S)
            else:
                return
            self._app = _caller(*self._urls)
            pending = self.send(order)


def _send(app: Celery, order: Order) -> Any:
    return app.send_task(order["task"], [order["body"]], task_id=order["id"], queue=QUEUE)


def waiting(orders: queue.Queue[Order], urls: list[str]) -> None:
    """Send each job and wait for its answer."""
    service = Service(*urls)
    while True:
        order = orders.get()
        service.answer(order, service.send(order))


def bursting(orders: queue.Queue[Order], urls: list[str]) -> None:
    """Send jobs one after the other, and ask for all answers at the end."""
    service, sent = Service(*urls), list[tuple[Order, Any]]()
    while True:
        order = orders.get()
        if "collect" not in order:
            sent.append((order, service.send(order)))
            time.sleep(order["pause_s"])
            continue
        for one, pending in sent:
            service.answer(one, pending)
        sent.clear()


def streaming(orders: queue.Queue[Order], urls: list[str]) -> None:
    """Stream a long list, and begin anew under another id where the broker stops taking it."""
    sender = TagSweep(*urls)
    while True:
        order = orders.get()
        _hear(order, _streamed(sender, order))


def _streamed(sender: TagSweep, order: Order) -> JobHandle:
    half, own = list[str](), order["id"]
    while True:
        try:
            handle = sender.detach(**order["body"], job_id=own)
        except BrokerUnavailable as error:
            say(id=order["id"], refused=str(error), abandoned=own)
            half.append(own)
            own = str(uuid4())
            time.sleep(PAUSE_S)
        else:
            say(id=order["id"], taken=True, own=own)
            _cancel(sender, half)
            return handle


def _cancel(sender: TagSweep, half: list[str]) -> None:
    """Cancel what was sent in part: else it would wait for its producer, for a while."""
    while half:
        try:
            sender.job(half[-1]).cancel()
            half.pop()
        except BrokerUnavailable:
            time.sleep(PAUSE_S)


def _hear(order: Order, handle: JobHandle) -> None:
    for asks in _tries():
        try:
            say(id=order["id"], asks=asks, answer=handle.result(timeout=order["patience_s"]))
        except (BrokerUnavailable, TimeoutError) as error:
            say(id=order["id"], unanswered=f"{type(error).__name__}: {error}")
            time.sleep(PAUSE_S)
        except JobEnded as error:
            say(id=order["id"], asks=asks, raised=str(error))
            return
        else:
            return


LANES: dict[str, Callable[[queue.Queue[Order], list[str]], None]] = {
    "waiting": waiting,
    "bursting": bursting,
    "streaming": streaming,
}


def _guarded(lane: Callable[[queue.Queue[Order], list[str]], None], *arguments: Any) -> None:
    try:
        lane(*arguments)
    except BaseException as error:
        say(broken=f"{lane.__name__}: {type(error).__name__}: {error}")
        raise


def main() -> None:
    """Carry out orders till there are no more."""
    # several parts, of lists that are quickly made
    sender.MAX_IDS_IN_ONE_MESSAGE, spool.IDS_PER_PART = 2_000, 2_000
    queues: dict[str, queue.Queue[Order]] = {name: queue.Queue() for name in LANES}
    for name, lane in LANES.items():
        arguments = (lane, queues[name], sys.argv[1:])
        threading.Thread(target=_guarded, args=arguments, name=name, daemon=True).start()
    for line in sys.stdin:
        order = json.loads(line)
        queues[order["lane"]].put(order)
    os._exit(0)


if __name__ == "__main__":
    main()
