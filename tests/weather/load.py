"""The load of a case: messages of all kinds, streams, recorded jobs, the gateway, commands."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.chaos.model import Errand
from tests.servers.processes import wait_until
from tests.weather.doors import JOBS, Doors
from tests.weather.site import Site
from tests.weather.world import Case

#: how soon all is over after the fault: what is to come back by visibility does so in 5 s
SETTLED_S = 15
PATIENCE_S = 25


class Load:
    """What is sent while a server refuses, and what its senders were told."""

    def __init__(self, site: Site, case: Case, *, connected: bool, messages: bool = True) -> None:
        self.site = site
        self.case = case
        self.connected = connected
        self.messages = messages
        self.doors = Doors(site, case)
        self._threads: list[threading.Thread] = []
        self._sent: list[Errand] = []
        self.waited: list[Errand] = []
        self.burst: list[Errand] = []
        self.streams: list[Errand] = []

    def prepare(self) -> None:
        """Make all jobs that will be sent, and what they act on."""
        case, draw = self.case, self.case.draw
        any_size = [1, 30, 300, 1_200]
        self.earlier = case.detach(case.tenants[0], 40)
        self.site.stack.send("tags.detach", self.earlier.body, task_id=self.earlier.id)
        if self.messages:
            self.waited = [case.errand(draw.choice([1, 30])) for _ in range(10)]
            self.burst = [case.errand(draw.choice(any_size)) for _ in range(10)]
            self.streams = [case.stream(case.tenants[1], 6_000) for _ in range(2)]
        self.records = [case.errand(draw.choice(any_size)) for _ in range(6)]
        self.posted = [case.errand(draw.choice(any_size)) for _ in range(6)]
        # each for a tenant of its own: by that its job is found, whatever was answered
        self.called = [case.detach(case.tenant(), 20) for _ in range(6)]
        self.once = [case.detach(case.tenant(), 5) for _ in range(4)]
        self.typed = [case.detach(case.tenant(), 600) for _ in range(2)]
        case.wait_for([self.earlier], seconds=20)
        if self.messages:
            self.burst.insert(3, case.undo(self.earlier))
        self.doors.open()

    @contextmanager
    def on(self) -> Iterator[None]:
        """Send it all beside the block, and return once every sender was told what came of it."""
        self._message()
        doors = self.doors
        for work, errands in (
            (doors.record, self.records),
            (doors.post, self.posted),
            (doors.call, self.called),
            (doors.call_once, self.once),
            (doors.type, self.typed),
        ):
            arguments, name = (work, errands), work.__name__
            thread = threading.Thread(target=self._guarded, args=arguments, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()
        yield
        self.doors.over.set()

    def settle(self) -> None:
        """Assert that in time every sender was told, and every job has ended."""
        since = time.monotonic()
        for thread in self._threads:
            thread.join(max(0.1, since + PATIENCE_S - time.monotonic()))
            assert not thread.is_alive(), (thread.name, self.doors.heard)
        self.site.senders.order("bursting", collect=True)
        assert not self.doors.wrong, self.doors.wrong
        self._name_streams()
        self.case.wait(seconds=max(0.1, since + SETTLED_S - time.monotonic()))
        self.case.wait_for_abandoned(seconds=40)

    def retry(self) -> None:
        """Let what has failed be done after all."""
        for errand in self.case.errands:
            row = self.case.store.job(errand.id)
            if (row.status, row.failed) != (errand.status, errand.counts["failed"]):
                client = self.doors.clients[errand.body["tenant"]]
                answer = client.post(f"{JOBS}{errand.id}/retry")
                assert answer.status_code in (202, 409), answer.text
        self.case.wait(seconds=SETTLED_S)

    def check_answers(self) -> None:
        """Assert that whoever waits in ``get()`` has the answer, and that it is true."""
        senders = self.site.senders
        self._wait_for(senders.answered)
        for errand in self._sent:
            answer = senders.answered(errand.id)
            if self.connected:
                assert answer["asks"] == 1, senders.told[errand.id]
            if not self.case.fails_items:
                assert answer["answer"]["counts"] == errand.told

    def close(self) -> None:
        """Let go of every connection."""
        self.doors.close()

    def _message(self) -> None:
        """Let services send messages; they go on by themselves."""
        patience = PATIENCE_S if self.connected else 6
        lanes = {"waiting": self.waited, "bursting": self.burst, "streaming": self.streams}
        for lane, errands in lanes.items():
            for errand in errands:
                order = {"id": errand.id, "task": f"tags.{errand.kind}", "body": errand.body}
                self.site.senders.order(lane, **order, patience_s=patience, pause_s=0.4)
        self._sent = [*self.waited, *self.burst, *self.streams]

    def _name_streams(self) -> None:
        senders = self.site.senders
        self._wait_for(senders.taken)
        for errand in self.streams:
            told = senders.told[errand.id]
            self.case.abandoned += [one["abandoned"] for one in told if "abandoned" in one]
            self.case.known_as(errand, senders.taken(errand.id)["own"])

    def _wait_for(self, told: Callable[[str], dict[str, Any]]) -> None:
        """Return once the senders of all messages were told this."""

        def left() -> list[str]:
            return [errand.id for errand in self._sent if not told(errand.id)]

        found = wait_until(lambda: not left(), seconds=PATIENCE_S)
        assert found, [self.site.senders.told.get(one) for one in left()]

    def _guarded(self, work: Callable[[list[Errand]], None], errands: list[Errand]) -> None:
        try:
            work(errands)
        except Exception as error:  # noqa: BLE001  # told at the end
            self.doors.wrong.append(f"{work.__name__}: {type(error).__name__}: {error}")
