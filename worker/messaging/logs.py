"""Keep out of Celery's log what says nothing of any job; the relay logs each job's end."""

from __future__ import annotations

import logging
from collections.abc import Mapping

#: how begins what Celery says of each try to come back to its broker: our own words say it once
_RETRIES = ("consumer: Connection to broker lost.", "Skipping prefetch count reduction")

#: each worker runs these many times a minute, and they say nothing of any job
UNREMARKABLE = frozenset({"tags.sweep", "tags.recover"})


def quieten() -> None:
    """Drop Celery's "received", "succeeded" and "discarding" of our housekeeping."""
    for name in ("celery.worker.strategy", "celery.worker.request", "celery.app.trace"):
        logging.getLogger(name).addFilter(_remarkable)
    logging.getLogger("celery.worker.consumer.consumer").addFilter(_is_no_retry)


def _is_no_retry(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(_RETRIES)


def _remarkable(record: logging.LogRecord) -> bool:
    fields = record.args
    if record.levelno > logging.INFO:
        return True
    if isinstance(fields, tuple):  # "Discarding revoked task": a look for recovery came too late
        return not fields or fields[0] not in UNREMARKABLE
    if not isinstance(fields, Mapping):
        return True
    return fields.get("name") not in UNREMARKABLE
