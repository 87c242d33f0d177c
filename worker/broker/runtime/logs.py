"""Filters for Celery's log: no routine messages, and no secrets.

The relay logs the end of each job.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from celery import signals

from tagsweep.worker import redaction

#: how Celery's messages on each attempt to reconnect begin: we log an outage once
_RETRIES = ("consumer: Connection to broker lost.", "Skipping prefetch count reduction")

#: each worker runs these many times a minute
UNREMARKABLE = frozenset({"tags.sweep", "tags.recover"})


def quieten() -> None:
    """Drop Celery's "received", "succeeded" and "discarding" for our internal tasks."""
    for name in ("celery.worker.strategy", "celery.worker.request", "celery.app.trace"):
        logging.getLogger(name).addFilter(_remarkable)
    logging.getLogger("celery.worker.consumer.consumer").addFilter(_is_no_retry)


def _is_no_retry(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(_RETRIES)


def redact() -> None:
    """Mask secrets in what a worker of this process writes: banner, log, tracebacks."""
    signals.celeryd_init.connect(_guard, weak=False)
    signals.after_setup_logger.connect(_redact, weak=False)
    signals.after_setup_task_logger.connect(_redact, weak=False)


def _guard(**_: Any) -> None:
    redaction.guard("stdout", "stderr")


def _redact(logger: logging.Logger, **_: Any) -> None:
    for handler in logger.handlers:
        handler.addFilter(redaction.Filter())


def _remarkable(record: logging.LogRecord) -> bool:
    fields = record.args
    if isinstance(fields, Mapping) and fields.get("description") == "rejected":
        return not str(fields.get("name")).startswith("tags.")  # the task has logged why, once
    if record.levelno > logging.INFO:
        return True
    if isinstance(fields, tuple):  # "Discarding revoked task": a request for recovery expired
        return not fields or fields[0] not in UNREMARKABLE
    if not isinstance(fields, Mapping):
        return True
    return fields.get("name") not in UNREMARKABLE
