"""Several Celery workers as one command: they start together, get its signals, and end together.

Each is a process of its own, forked from this one, which only waits for them.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import NoReturn

from tagsweep.worker.process import parent_watch

log = logging.getLogger(__name__)

#: signals that ask a worker to end, as Celery has them; SIGHUP comes from a terminal that closes
ENDS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)
#: the others that are passed on: Celery's workers write down what they are doing
PASSED_ON = (signal.SIGUSR1,)
#: seconds after which a worker that was asked to end is killed; it takes at most ten
PATIENCE_S = 20
LOG_FORMAT = "[%(asctime)s: %(levelname)s/Supervisor] %(message)s"
#: the exit status if a worker ended by itself, badly
FAILURE = 1


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker that the command consists of."""

    name: str
    run: Callable[[], int]  #: runs it to its end in a process of its own; returns its exit status


def run(workers: Sequence[Worker]) -> int:
    """Run the workers until they have ended; return the exit status of the whole.

    If one ends, for whatever reason, the others are asked to end.
    """
    return _Supervisor().run(workers)


@dataclass(slots=True)
class _Supervisor:
    _running: dict[int, str] = field(default_factory=dict)  #: their names, by process id
    _asked: set[int] = field(default_factory=set)  #: the signals by which they were asked to end
    _status: int = 0

    def run(self, workers: Sequence[Worker]) -> int:
        """Run them."""
        signals = {*ENDS, *PASSED_ON}
        gc.freeze()  # or its next run would copy the memory that the processes share
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        for worker in workers:
            self._running[_fork(worker, signals)] = worker.name
        for number in signals:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as of nohup
                signal.signal(number, self._pass_on)
        signal.signal(signal.SIGALRM, self._kill)
        _log_to_stderr()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
        while self._running:
            pid, status = os.wait()
            self._ended(self._running.pop(pid), os.waitstatus_to_exitcode(status))
        return self._status

    def _pass_on(self, number: int, _: FrameType | None = None) -> None:
        if number in ENDS:
            number = signal.SIGTERM if number == signal.SIGHUP else number
            self._asked.add(number)
            signal.alarm(PATIENCE_S)
        self._send(number)

    def _send(self, number: int) -> None:
        for pid in list(self._running):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _kill(self, *_: object) -> None:
        log.error("Killed, because they do not end: %s.", ", ".join(self._running.values()))
        self._send(signal.SIGKILL)

    def _ended(self, name: str, status: int) -> None:
        """Note how a worker ended, and let the others end too."""
        if -status in self._asked:  # before it could take care of that signal
            status = 0
        if status and not self._status:
            self._status = status if status > 0 else FAILURE
        if self._running and not self._asked:
            how = f"was killed by signal {-status}" if status < 0 else f"ended (status {status})"
            level = logging.ERROR if status else logging.INFO
            log.log(level, "%s %s: %s ends too.", name, how, ", ".join(self._running.values()))
            self._pass_on(signal.SIGTERM)


def _fork(worker: Worker, signals: set[signal.Signals]) -> int:
    """Start a worker in a process of its own; return its id."""
    supervisor = os.getpid()
    pid = os.fork()
    if pid == 0:
        _be(worker, supervisor, signals)
    return pid


def _be(worker: Worker, supervisor: int, signals: set[signal.Signals]) -> NoReturn:
    """Be the process of a worker."""
    status = FAILURE
    try:
        # a terminal sends Ctrl-C to its whole group: the worker would get it twice
        os.setpgid(0, 0)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
        parent_watch.begin(supervisor)
        status = worker.run()
    except SystemExit as end:
        if isinstance(end.code, str):
            sys.stderr.write(end.code + "\n")
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        log.exception("%s ended.", worker.name)
    finally:
        logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(status)


def _log_to_stderr() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(LOG_FORMAT))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
