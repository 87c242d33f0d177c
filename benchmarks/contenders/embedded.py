"""tagsweep with nothing set: SQLite, and the worker in the process of its caller."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import Any
from uuid import UUID

from benchmarks import file
from benchmarks.work import Work, database_url
from tagsweep import TagSweep
from tagsweep.worker.broker.runtime import embedded

POLL_S = 0.005


class Run:
    """A worker that runs as long as the process, and one producer."""

    def __init__(self) -> None:
        self._worker = ExitStack()
        self._worker.enter_context(embedded.worker())
        self._sender = TagSweep()
        self._reader = file.opened(database_url())

    def __call__(self, work: Work) -> dict[str, Any]:
        """Send the job and wait until its event is in the feed."""
        job = self._sender.detach(tenant=work.tenant, names=work.names, destinations=work.ids)
        query = "SELECT 1 FROM outbox WHERE job_id = ? AND position IS NOT NULL"
        while not self._reader.execute(query, (UUID(job.id).bytes,)).fetchone():
            time.sleep(POLL_S)
        return {"job": job.id}
