"""A stack: a store, a broker and running workers, as a test uses them from the outside."""

from __future__ import annotations

import os
import subprocess
import sys
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import redis
from celery import Celery
from kombu import pools

from tagsweep import TagSweep
from tagsweep.producer.handle import JobHandle
from tagsweep.worker.models.jobs import AttachJob, DetachJob
from tagsweep.worker.models.parts import Part
from tests.servers.processes import kill_tree, spawn, wait_until
from tests.support import configurations
from tests.support.listeners import AmqpEvents, RedisEvents
from tests.support.stores import Store
from tests.support.wire import PARTS, QUEUE

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 30


class Pending(Protocol):
    """A job that was sent: what Celery's AsyncResult offers, as far as tests use it."""

    id: str

    def get(self, timeout: float | None = None) -> Any:
        """Wait for the job's answer."""


def environment(**settings: object) -> dict[str, str]:
    """Return the environment of a process of ours: these settings and no others."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    given = configurations.active().settings(settings)
    ours = {f"TAGSWEEP_{name.upper()}": str(value) for name, value in given.items()}
    # no profile of whoever runs the tests
    return {**kept, **ours, "PYTHONPATH": str(ROOT), "XDG_CONFIG_HOME": "/nonexistent"}


class Worker:
    """A process of ``celery -A tagsweep worker``, which a test may kill."""

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, object],
        concurrency: int = 1,
        *,
        app: str = "tagsweep",
        options: Sequence[str] = (),
    ) -> None:
        self.folder = folder / f"worker-{uuid4().hex[:8]}"
        self.folder.mkdir(parents=True)
        command = [sys.executable, "-m", "celery", "-A", app, "worker"]
        command += ["--concurrency", str(concurrency), "--loglevel", "INFO"]
        command += ["--hostname", f"{self.folder.name}@test", *options]
        self.process: subprocess.Popen[bytes] = spawn(
            command, folder=self.folder, environment=environment(**settings)
        )

    @property
    def log(self) -> str:
        """What the worker has written so far."""
        return (self.folder / "log").read_text(errors="replace")

    def wait_until_ready(self) -> None:
        """Return once it takes messages; raise with its log where it does not."""
        ready = wait_until(lambda: " ready." in self.log or self.ended, seconds=PATIENCE_S)
        if not ready or self.ended:
            raise RuntimeError(f"The worker did not start:\n{self.log[-3000:]}")

    @property
    def ended(self) -> bool:
        """Whether the process is gone."""
        return self.process.poll() is not None

    def kill(self) -> None:
        """Kill it and its children with signal 9."""
        kill_tree(self.process)


class Stack:
    """What every stack offers."""

    name: str
    store: Store

    @abstractmethod
    def send(self, task: str, *args: Any, task_id: str | None = None, **kwargs: Any) -> Pending:
        """Send a message as any other service would."""

    @abstractmethod
    def events(self, job_id: str) -> list[dict[str, Any]]:
        """Return the completion events of a job, each as often as it was delivered."""

    @abstractmethod
    def close(self) -> None:
        """End it all."""

    def send_from_another(self, task: str, *args: Any, task_id: str) -> None:
        """Send a message as yet another service would, which hears none of the first's answers."""
        self.send(task, *args, task_id=task_id)

    def run(self, task: str, body: object, task_id: str | None = None) -> dict[str, Any]:
        """Send a job and wait for its completion data."""
        done: dict[str, Any] = self.send(task, body, task_id=task_id).get(timeout=PATIENCE_S)
        return done

    def detach(self, tenant: str, names: list[str], **lists: Any) -> dict[str, Any]:
        """Run a detach job."""
        return self.run("tags.detach", {"tenant": tenant, "names": names, **lists})

    def delete(self, tenant: str, workspaces: list[str], **tags: Any) -> dict[str, Any]:
        """Run a delete job."""
        return self.run("tags.delete", {"tenant": tenant, "workspaces": workspaces, **tags})


class ServerStack(Stack):
    """PostgreSQL, a broker, and worker processes."""

    def __init__(self, name: str, folder: Path, database_url: str, broker_url: str) -> None:
        self.name = name
        self.folder = folder
        self.broker_url = broker_url
        self.backend_url = broker_url if broker_url.startswith("redis") else "rpc://"
        self.settings: dict[str, object] = {"database_url": database_url, "broker_url": broker_url}
        self.store = Store(database_url)
        self.workers: list[Worker] = []
        self._events = (RedisEvents if broker_url.startswith("redis") else AmqpEvents)(broker_url)
        self._app = _caller(self.broker_url, self.backend_url)

    def start_worker(self, concurrency: int = 1, **settings: object) -> Worker:
        """Start one more worker; ready when ``wait`` has returned."""
        worker = Worker(self.folder, {**self.settings, **settings}, concurrency)
        self.workers.append(worker)
        return worker

    def wait(self) -> None:
        """Return once all workers take messages."""
        for worker in self.workers:
            worker.wait_until_ready()

    @contextmanager
    def caller(self) -> Iterator[Celery]:
        """Give one more Celery app as another service has it, for this thread."""
        app = _caller(self.broker_url, self.backend_url)
        try:
            yield app
        finally:
            close(app)

    def send(self, task: str, *args: Any, task_id: str | None = None, **kwargs: Any) -> Pending:
        """Send a message as any other service would."""
        return send(self._app, task, *args, task_id=task_id, **kwargs)

    def send_from_another(self, task: str, *args: Any, task_id: str) -> None:
        """Send a message as yet another service would, which hears none of the first's answers."""
        with self.caller() as app:
            send(app, task, *args, task_id=task_id)

    def events(self, job_id: str) -> list[dict[str, Any]]:
        """Return the completion events of a job, each as often as it was delivered."""
        return [event for event in self._events.all() if event["subject"] == job_id]

    def close(self) -> None:
        """Kill the workers and close every connection."""
        for worker in self.workers:
            worker.kill()
        close(self._app, connections=True)
        self._events.close()
        self.store.close()


def _caller(broker_url: str, backend_url: str) -> Celery:
    """Return a Celery app as another service has it: nothing of ours in it."""
    app = Celery("caller", broker=broker_url, backend=backend_url)
    app.conf.update(broker_transport_options={"confirm_publish": True})
    return app


def send(app: Celery, task: str, *args: Any, task_id: str | None = None, **kwargs: Any) -> Pending:
    """Send a message with a plain Celery app."""
    queue = PARTS if task == Part.task else QUEUE
    tables = configurations.active().tables
    ways = {DetachJob.task: tables.body, AttachJob.task: tables.body, Part.task: tables.part}
    if task in ways and args and isinstance(args[0], dict):
        args = (ways[task](args[0]), *args[1:])
    pending: Pending = app.send_task(task, args, kwargs, task_id=task_id, queue=queue)
    return pending


def close(app: Celery, *, connections: bool = False) -> None:
    """Close what a caller listens on in this thread; its connections are shared by all callers."""
    backend: Any = app.backend
    if getattr(backend.result_consumer, "_consumer", backend):
        backend.result_consumer.stop()
    if hasattr(backend, "client"):
        backend.client.close()
    # results that are collected later would connect anew to unsubscribe
    backend.remove_pending_result = lambda result: result
    if connections:
        drop_connections(app)
    app.close()


def drop_connections(app: Celery) -> None:
    """Close all connections to the app's broker, for every app of this process.

    kombu keeps its pools by address, closed ones too, and a later server may well get this port.
    """
    pool: Any = app.pool  # the stubs take it for a pool of producers
    pool.force_close_all()
    for group in (pools.connections, pools.producers):
        with suppress(KeyError):
            del group[app.connection_for_write()]


def messages_waiting(redis_url: str, *queues: str) -> int:
    """Return how many messages wait on a Redis that nobody listens to, in these queues or all."""
    with redis.Redis.from_url(redis_url) as client:
        lengths: list[Any] = [client.llen(name) for name in queues or (QUEUE, PARTS)]
        return sum(lengths)


def eventually(condition: Callable[[], Any], seconds: float = PATIENCE_S) -> Any:
    """Return the condition's first true value; fail where there is none in time."""
    found: list[Any] = []

    def check() -> bool:
        found.append(condition())
        return bool(found[-1])

    assert wait_until(check, seconds=seconds), f"still {found[-1]!r} after {seconds} s"
    return found[-1]


class _Producer(TagSweep):
    """Gives lists as the tables in use have them."""

    def detach(self, **given: Any) -> JobHandle:
        """Send a detach."""
        return super().detach(**configurations.active().tables.body(given))

    def attach(self, **given: Any) -> JobHandle:
        """Send an attach."""
        return super().attach(**configurations.active().tables.body(given))


@contextmanager
def producing(stack: ServerStack, requested_by: str | None = None) -> Iterator[TagSweep]:
    """Give our own producer on the stack's broker, for this thread."""
    urls = {"broker_url": stack.broker_url, "results_url": stack.backend_url}
    sender = _Producer(**urls, requested_by=requested_by)
    try:
        yield sender
    finally:
        close(sender._app)
