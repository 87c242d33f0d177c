"""What goes wrong in a worker inside this process: one line each, where Celery would be silent."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from tagsweep.producer.cli.output import terminal

#: where Celery tells what became of a task
LOGGER = "celery.app.trace"


class _Teller(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._told: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        what = getattr(record, "data", {}).get("exc") or record.getMessage()
        cause = str(what).partition("\n")[0]
        if cause not in self._told:
            self._told.add(cause)
            terminal.say(f"A step of the worker failed and is tried again: {cause}")


@contextmanager
def told() -> Iterator[None]:
    """Tell on stderr, once each, why steps of the embedded worker fail while the block runs."""
    logger = logging.getLogger(LOGGER)
    teller = _Teller()
    logger.addHandler(teller)
    try:
        yield
    finally:
        logger.removeHandler(teller)
