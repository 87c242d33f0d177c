"""A worker whose clock is off by TAGSWEEP_TEST_SKEW_S: ``celery -A tests.chaos.skewed worker``."""

from __future__ import annotations

import datetime as dt
import os
import sys
import time
from typing import Any, Self

from tests.servers.processes import spawn
from tests.support.stack import ServerStack, Worker, environment

NAME = "TAGSWEEP_TEST_SKEW_S"


class SkewedWorker(Worker):
    """A worker whose clock is off."""

    def __init__(self, stack: ServerStack, seconds: int) -> None:
        self.folder = stack.folder / f"skewed-{seconds}"
        self.folder.mkdir(parents=True)
        command = [sys.executable, "-m", "celery", "-A", "tests.chaos.skewed", "worker"]
        command += ["--concurrency", "1", "--loglevel", "INFO"]
        command += ["--hostname", f"{self.folder.name}@test"]
        settings = {**stack.settings, "test_skew_s": seconds}
        self.process = spawn(command, folder=self.folder, environment=environment(**settings))


def start(stack: ServerStack, seconds: int) -> None:
    """Start such a worker; ready when ``stack.wait`` has returned."""
    stack.workers.append(SkewedWorker(stack, seconds))


def _shift(seconds: int) -> None:
    """Move what Python takes for the time; whoever imports a clock afterwards gets this one."""
    true_time = time.time
    delta = dt.timedelta(seconds=seconds)

    class Shifted(dt.datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Self:
            return super().now(tz) + delta

        @classmethod
        def utcnow(cls) -> Self:
            return cls.now(dt.UTC).replace(tzinfo=None)

    time.time = lambda: true_time() + seconds
    dt.datetime = Shifted  # type: ignore[misc]


if NAME in os.environ:  # in the worker, not in the test that starts it
    _shift(int(os.environ[NAME]))
    from tagsweep.celery import app

    __all__ = ["app"]
