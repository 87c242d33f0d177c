"""Which value each key is given by the sets of a batch: by each set the same one.

Of two that differ, the second has to come after the first: later is what an undo of the first looks
at, to leave what the second has done.
"""

from __future__ import annotations

from collections.abc import Iterator

from tagsweep.worker.models.jobs import Job, SetJob

#: a tenant, its workspace, whether it is a system tag, the key
_Place = tuple[str | None, str, bool, str]


class Given:
    """The values that the jobs of a batch give to keys of workspaces."""

    def __init__(self) -> None:
        self._values: dict[_Place, str] = {}

    def admits(self, job: Job) -> bool:
        """Return whether ``job`` gives no key another value than those before it; note its own."""
        own = dict(_values(job))
        if any(self._values.get(place, value) != value for place, value in own.items()):
            return False
        self._values |= own
        return True


def _values(job: Job) -> Iterator[tuple[_Place, str]]:
    if not isinstance(job, SetJob):
        return
    for name in job.workspace_ids():
        for system, tags in ((False, job.tags), (True, job.sys_tags)):
            for tag in tags:
                yield (job.tenant, name, system, tag.key), tag.value
