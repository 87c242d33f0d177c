"""Procrastinate: chunks as rows of a queue in PostgreSQL itself; it has no groups."""

from __future__ import annotations

import time
from typing import Any

import procrastinate

from benchmarks.contenders import links
from benchmarks.work import Work, database_url

app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=database_url()))


@app.task(queue="links")
def remove(tags: list[str], ids: list[str]) -> None:
    """Remove the tags from the resources."""
    links.remove(tags, ids)


class Run:
    """The connections, kept."""

    def __init__(self) -> None:
        app.open()

    def __call__(self, work: Work) -> dict[str, Any]:
        """Defer all chunks at once, and wait until the queue is done with them."""
        chunks: list[Any] = [{"tags": work.tag_ids, "ids": ids} for ids in links.chunks(work)]
        remove.batch_defer(*chunks)
        while _unfinished():
            time.sleep(0.02)
        return {}


def _unfinished() -> int:
    found = app.job_manager.list_queues(queue="links")
    return sum(one["todo"] + one["doing"] for one in found)
