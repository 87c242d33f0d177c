"""Keep out of Celery's log what would drown it: a line for each sweep and each look for recovery."""

from __future__ import annotations

import logging
from collections.abc import Mapping

#: each worker runs these many times a minute, and they say nothing of any job
UNREMARKABLE = frozenset({"tags.sweep", "tags.recover"})


def quieten() -> None:
    """Drop Celery's "received", "succeeded" and "ignored" lines of our housekeeping tasks."""
    for name in ("celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(name).addFilter(_remarkable)


def _remarkable(record: logging.LogRecord) -> bool:
    fields = record.args
    ours = isinstance(fields, Mapping) and fields.get("name") in UNREMARKABLE
    return not ours or record.levelno > logging.INFO
