"""Everything under load in a case: servers, workers, a gateway and services of others."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kombu
import psutil

from tests.support.cli import CommandLine
from tests.support.gateway import Gateway
from tests.support.stack import ROOT, ServerStack, environment
from tests.support.wire import EXCHANGE

WORKERS = 2
#: of every process of ours
SETTINGS: dict[str, object] = {
    "chunk_size": 500,
    "visibility_s": 5,
    "stream_silence_s": 1,
    "lock_timeout_s": 2,
    "wait_s": 6,
}


class KeptEvents:
    """The events on AMQP, in a queue that outlives whoever reads it."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._seen: list[dict[str, Any]] = []
        self._queue = kombu.Queue(
            "kept-events", kombu.Exchange(EXCHANGE, type="topic", durable=True), "#"
        )
        with kombu.Connection(url) as connection:
            self._queue(connection.default_channel).declare()

    def all(self) -> list[dict[str, Any]]:
        """Return every event that was published since."""
        with kombu.Connection(self._url) as connection:
            bound = self._queue(connection.default_channel)
            while message := bound.get(no_ack=True):
                self._seen.append(json.loads(str(message.body)))
        return self._seen

    def close(self) -> None:
        """There is nothing to close."""


class Senders:
    """The process of other services (``tests.weather.sender``), and what it has told."""

    def __init__(self, stack: ServerStack) -> None:
        self.told: dict[str, list[dict[str, Any]]] = {}
        self.broken: list[str] = []
        command = [sys.executable, "-m", "tests.weather.sender", stack.broker_url]
        self._log = (stack.folder / "senders.log").open("wb")
        self.process = subprocess.Popen(
            [*command, stack.backend_url],
            cwd=ROOT,
            env=environment(**stack.settings),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            bufsize=1,
        )
        self._reader = threading.Thread(target=self._read, name="senders")
        self._reader.start()

    def order(self, lane: str, **what: Any) -> None:
        """Give an order to a lane."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"lane": lane, **what}) + "\n")

    def taken(self, order_id: str) -> dict[str, Any]:
        """Return what was told when a job was taken by the broker; nothing where it was not yet."""
        return next((one for one in self.told.get(order_id, []) if "taken" in one), {})

    def answered(self, order_id: str) -> dict[str, Any]:
        """Return what was told when the answer to a job came; nothing where it has not yet."""
        return next((one for one in self.told.get(order_id, []) if "asks" in one), {})

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()
        self._reader.join()
        for pipe in (self.process.stdin, self.process.stdout, self._log):
            assert pipe
            pipe.close()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            one = json.loads(line)
            if "broken" in one:
                self.broken.append(one["broken"])
            else:
                self.told.setdefault(one["id"], []).append(one)


class Site:
    """Workers, a gateway and senders on servers that may refuse."""

    def __init__(
        self, folder: Path, place: Any, owner_url: str, database_url: str, broker_url: str
    ) -> None:
        self.place = place  #: the server that is to refuse
        self.stack = ServerStack("weather", folder, owner_url, broker_url)
        folder.mkdir(parents=True, exist_ok=True)
        self.stack.settings |= {"database_url": database_url, **SETTINGS}
        for _ in range(WORKERS):
            self.stack.start_worker(concurrency=2)
        self.gateway = Gateway(folder, self.stack.settings, "serve")
        self.senders = Senders(self.stack)
        given = {name: str(value) for name, value in self.stack.settings.items()}
        self.command = CommandLine(folder, **given)
        #: whether the last case ended well: then the next one may have it too
        self.well = True
        self.stack.wait()
        self.gateway.wait()
        self.processes = self._processes()

    def _processes(self) -> set[psutil.Process]:
        parents = [psutil.Process(worker.process.pid) for worker in self.stack.workers]
        return {one for parent in parents for one in (parent, *parent.children())}

    def keep_events(self, url: str) -> None:
        """Keep the events on this virtual host, whatever happens to connections."""
        self.stack._events.close()
        self.stack._events = KeptEvents(url)  # type: ignore[assignment]  # it has both methods

    def check_processes(self) -> None:
        """Assert that every process of ours still runs, the very same ones."""
        gone = [one for one in self.processes if not one.is_running()]
        assert not gone, gone
        assert self.gateway.process.poll() is None
        assert not self.senders.broken

    def words(self) -> str:
        """Return the last words of every process that are no routine."""
        logs = [*(worker.log for worker in self.stack.workers), self.gateway.log]
        routine = ("INFO/", '"level": "info"')
        lines = [[x for x in log.splitlines() if not any(y in x for y in routine)] for log in logs]
        return "\n----\n".join("\n".join(some[-20:])[-3000:] for some in lines)

    def close(self) -> None:
        """End it all."""
        self.senders.close()
        self.gateway.close()
        self.stack.close()


class Sites:
    """The site of a module's cases, a new one after a case that failed."""

    def __init__(self, make: Callable[[], Site]) -> None:
        self._make = make
        self._site: Site | None = None

    def get(self) -> Site:
        """Return a site on which all is quiet."""
        if self._site and not self._site.well:
            self.close()
        self._site = self._site or self._make()
        return self._site

    def close(self) -> None:
        """End what there is."""
        if self._site:
            self._site.close()
            self._site = None
