"""A worker in a thread of this process, so that ``memory://`` works without any server."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from celery.result import allow_join_result
from celery.worker import WorkController

from tagsweep.worker.broker.app import app, embedded_worker
from tagsweep.worker.broker.runtime import lifecycle, pool_process
from tagsweep.worker.errors import TagsweepError

#: seconds that a worker may take to start, or to finish its current chunk
PATIENCE_S = 30


class _Worker(WorkController):
    """Celery's worker without its command line: no banner and no signal handlers."""

    ready: threading.Event
    hostname: str  # as Celery completes it

    def on_before_init(self, **_: Any) -> None:
        self.ready = threading.Event()

    def on_consumer_ready(self, _: object) -> None:
        self.ready.set()


@contextmanager
def worker() -> Iterator[None]:
    """Run a worker during the caller's block; at its end the current step is finished.

    It processes every open job in the store, including those that other processes recorded.
    """
    celery_app = app()
    celery_app.set_default()  # or results would go to another app and be lost
    celery_app.finalize()
    celery_app.loader.import_default_modules()
    logging.getLogger("celery").setLevel(logging.ERROR)
    name = f"embedded-{uuid4().hex[:8]}"
    # one at a time: the store is a file with one writer
    controller = _Worker(
        app=celery_app,
        hostname=name,
        pool="solo",
        loglevel=logging.ERROR,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    pool_process.note_node(controller)
    thread = threading.Thread(target=controller.start, name=name, daemon=True)
    thread.start()
    if not controller.ready.wait(PATIENCE_S):
        raise TagsweepError("The worker in this process did not start.")
    embedded_worker.set()
    try:
        with allow_join_result(), lifecycle.recovering():
            yield
    finally:
        embedded_worker.clear()
        celery_app.control.shutdown(destination=[controller.hostname])
        thread.join(PATIENCE_S)
