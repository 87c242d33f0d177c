"""Celery callbacks on the ends of jobs: stored with the job, run at its first end.

At least once: a callback is run in the transaction that records this, and a crash undoes only the
record.
"""

from __future__ import annotations

import hashlib
import logging
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, select, update

from tagsweep.worker.broker import canvas
from tagsweep.worker.database.dialects import insert_missing
from tagsweep.worker.errors import Retryable
from tagsweep.worker.models.events import failure
from tagsweep.worker.models.tables import callback, clock

log = logging.getLogger(__name__)


def keep(connection: Connection, job_id: UUID, hung: str) -> None:
    """Store the callbacks of a message with its job; storing them again changes nothing."""
    row = {"job_id": job_id, "digest": hashlib.sha256(hung.encode()).digest(), "hung": hung}
    connection.execute(insert_missing(connection, callback), row)


def carry_out(connection: Connection, data: dict[str, Any]) -> None:
    """Run the callbacks of a job that has ended, and record that; ``data``: its completion data.

    The job's result must be stored already. Callbacks that another process is running are skipped.
    Raises Retryable, when some of them may have been run.
    """
    job_id = UUID(data["job_id"])
    waiting = select(callback.c.digest, callback.c.hung).where(
        callback.c.job_id == job_id, callback.c.carried_out_at.is_(None)
    )
    for digest, hung in connection.execute(waiting.with_for_update(skip_locked=True)).all():
        try:
            canvas.carry_out(hung, f"{job_id}/{digest.hex()}", failure(data) or data)
        except Retryable:
            raise
        except Exception:  # checked when it was stored; it must not hold up other jobs
            log.exception("A callback of job %s cannot be run: %s", job_id, hung[:1_000])
        this = (callback.c.job_id == job_id) & (callback.c.digest == digest)
        connection.execute(update(callback).where(this).values(carried_out_at=clock()))
