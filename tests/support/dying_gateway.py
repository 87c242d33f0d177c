"""``tagsweep`` whose gateway dies at one point of a batch: its name is the first argument.

It dies of signal 9, in the first batch that has several jobs.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from tagsweep.producer.cli import main
from tagsweep.producer.gateway.submission import batch_transaction
from tagsweep.worker.database import pipelines, round_trip
from tagsweep.worker.jobs import batch_rows
from tagsweep.worker.store.batches import detach_by_name

#: in their order
POINTS = ("before it begins", "begun", "changed", "at the commit", "committed")

_several = False  #: whether the batch at hand has several jobs


def _die() -> None:
    if _several:
        os.kill(os.getpid(), signal.SIGKILL)


def _dying(step: Callable[..., Any], *, after: bool) -> Callable[..., Any]:
    """Return ``step``, before or after which it dies."""

    def done(*args: Any, **options: Any) -> Any:
        if not after:
            _die()
        result = step(*args, **options)
        if after:
            _die()
        return result

    return done


def _die_at_commit() -> None:
    """Make the gateway die once the commit of a batch has been sent, unanswered."""
    commit, exchanged = pipelines.commit, round_trip._exchanged
    asked = False

    def committing(connection: Any) -> None:
        nonlocal asked
        asked = True
        commit(connection)

    def sent(server: Any, commands: Any) -> Any:
        if asked and _several:
            for command in commands:
                command.send(server)
            server.pipeline_sync()
            server.flush()
            _die()
        return exchanged(server, commands)

    pipelines.commit, round_trip._exchanged = committing, sent


def _noting(apply: Callable[..., Any]) -> Callable[..., Any]:
    def applied(gate: Any, batch: Any) -> Any:
        global _several  # noqa: PLW0603  # one batch at a time
        _several = len(batch) > 1
        return apply(gate, batch)

    return applied


def _arm(point: str) -> None:
    """Make the gateway die at this point."""
    if point == "at the commit":
        _die_at_commit()
    modules: dict[str, tuple[Any, str, bool]] = {
        "before it begins": (batch_rows, "begin", False),
        "begun": (detach_by_name, "_detached", False),  # what was answered has not been read
        "changed": (batch_rows, "write", False),
        "committed": (batch_transaction, "apply", True),
    }
    if point in modules:
        module, name, after = modules[point]
        setattr(module, name, _dying(getattr(module, name), after=after))
    batch_transaction.apply = _noting(batch_transaction.apply)


if __name__ == "__main__":
    _arm(sys.argv.pop(1))
    main()
