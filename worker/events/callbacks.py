"""What callers hang on the ends of jobs: kept with the job, carried out at its first end.

At least once: it is carried out in the transaction that notes it, and a crash takes back the note
alone.
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
    """Keep what hangs on the job's end; the same once more changes nothing."""
    row = {"job_id": job_id, "digest": hashlib.sha256(hung.encode()).digest(), "hung": hung}
    connection.execute(insert_missing(connection, callback), row)


def carry_out(connection: Connection, data: dict[str, Any]) -> None:
    """Carry out what hangs on a job that has ended, and note that it was; ``data``: of its end.

    The job's result must be stored already. What another process carries out just now is passed
    over. Raises Retryable, where some of it may have been done.
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
        except Exception:  # it was looked at when it came; the jobs behind it must be told too
            log.exception("What hangs on job %s cannot be carried out: %s", job_id, hung[:1_000])
        this = (callback.c.job_id == job_id) & (callback.c.digest == digest)
        connection.execute(update(callback).where(this).values(carried_out_at=clock()))
