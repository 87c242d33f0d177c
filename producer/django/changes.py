"""What a job changed: the resources whose tags are others now, read from its receipt."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import islice
from typing import Any
from uuid import UUID

from tagsweep.producer.django import tagged
from tagsweep.worker.errors import Forgotten, NoSuchJob
from tagsweep.worker.jobs import receipt

log = logging.getLogger(__name__)

CHANGED = ("removed", "added")


class Changes:
    """The resources that a job changed; each iteration reads them anew, chunk by chunk."""

    def __init__(self, job: dict[str, Any]) -> None:
        self._job = job

    def __iter__(self) -> Iterator[tuple[str, int | str]]:
        """Yield name and id of each resource, once for each tag that it lost or got."""
        if self._job.get("dry_run") or self._job["tenant"] is None:
            return
        job_id = UUID(self._job["job_id"])
        try:
            for entry in receipt.entries(job_id, self._job["tenant"], CHANGED):
                if entry.get("resource") is not None:
                    yield entry["resource_type"], entry["resource"]
        except (Forgotten, NoSuchJob) as gone:
            log.warning("%s What it changed is not known any more.", gone)

    def ids(self, of: Any) -> Iterator[int | str]:
        """Yield the ids of a model's objects that changed, or of the map's resources named."""
        name = of if isinstance(of, str) else _name(of)
        return (id_ for resource, id_ in self if resource == name)

    def batches(self, of: Any, size: int = 1000) -> Iterator[list[int | str]]:
        """Yield the same ids in lists, each id once in a list."""
        ids = self.ids(of)
        while some := list(dict.fromkeys(islice(ids, size))):
            yield some


def _name(model: Any) -> str | None:
    found = tagged.of(model)
    return found.resource if found else None
