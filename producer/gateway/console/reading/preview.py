"""What a preview has shown: counts, and some of the items that would change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from tagsweep.producer.gateway.console.reading.lists import shown
from tagsweep.worker import database
from tagsweep.worker.errors import Forgotten
from tagsweep.worker.jobs import receipt
from tagsweep.worker.jobs.inspection import whole
from tagsweep.worker.models import views

SAMPLE = 10


@dataclass(frozen=True, slots=True)
class Preview:
    """A preview, whether it has ended or not."""

    job: dict[str, Any]
    changed: int  #: items that would change
    sample: list[dict[str, Any]]  #: some of them


def read(job_id: str, tenant: str) -> Preview:
    """Return the tenant's preview; raises NoSuchJob."""
    with database.reading() as connection:
        job = whole.find(connection, job_id, tenant)
    entries: Iterator[dict[str, Any]] = iter(())
    if job.changed:
        entries = receipt.entries(job.id, tenant, views.changing(job))
    try:
        sample = list(islice(entries, SAMPLE))
    except Forgotten:
        sample = []
    return Preview(shown(job), job.changed, sample)
