"""Which jobs are small and plain enough to be done in a batch, and their chunks."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from tagsweep.worker import settings
from tagsweep.worker.models import sorting
from tagsweep.worker.models.fields import EVERY
from tagsweep.worker.models.ids import WIDTH
from tagsweep.worker.models.jobs import AttachJob, DeleteJob, DetachJob, Job, SetJob, WorkspacesJob
from tagsweep.worker.models.mapped import MappedResources
from tagsweep.worker.models.options import conditions
from tagsweep.worker.models.records import Chunk

#: kinds that can be plain
KINDS = (DetachJob, AttachJob, DeleteJob, SetJob)
#: the chunks of some jobs
Chunks = dict[UUID, list[Chunk]]
#: options of jobs that are not plain, whatever their value if there is one
_OPTIONS = ("drop", "callback_url", *conditions.FIELDS)
_SPECIAL = {"dry_run", "max_affected", *_OPTIONS}


def is_plain(job: Job, most_items: int) -> bool:
    """Tell whether ``job`` can be done in a batch, and has at most ``most_items`` items.

    Each of its lists has to fit into one chunk; it must have no guard, no condition and no
    callback, drop no tag, be no dry run, select nothing by ``"*"``, and there must be no ceiling on
    the rate.
    """
    if not isinstance(job, KINDS):
        return False
    config = settings.load()
    if job.dry_run or job.strict or job.max_affected is not None or config.max_rate is not None:
        return False
    if _selects(job):
        return False
    if any(getattr(job, name, None) for name in _OPTIONS):
        return False
    sizes, targets = _sizes(job), _targets(job)
    most = min(most_items, config.approval_items or most_items)
    return sum(sizes) * targets <= most and max(sizes) <= sorting.size(config.chunk_size, targets)


def seems_plain(body: object) -> bool:
    """Tell whether ``body`` may be such a job, at a glance: it need not be valid."""
    if not isinstance(body, dict) or settings.load().max_rate is not None:
        return False
    resources = body.get("resources")
    lists = [*body.values(), *(resources.values() if isinstance(resources, dict) else ())]
    return not _SPECIAL & body.keys() and EVERY not in lists


def _selects(job: Job) -> bool:
    lists = [getattr(job, name) for name in job.lists]
    return EVERY in lists or EVERY in getattr(job, "resources", {}).values()


def items_of(job: Job) -> int:
    """Return how many items a job has at most."""
    return sum(_sizes(job)) * _targets(job)


def _sizes(job: Job) -> list[int]:
    """Return how many entries each list has; the last one's entries are workspaces."""
    lists = (*job.packed().values(), *job.packed_resources().values())
    return [*(len(packed) // WIDTH for packed in lists), len(job.workspace_ids())]


def _targets(job: Job) -> int:
    if isinstance(job, WorkspacesJob):
        return len(job.tags) + len(job.sys_tags)
    return len(job.names) if isinstance(job, DetachJob | AttachJob) else 0


def chunks_of(job: Job, targets: int, resources: MappedResources | None = None) -> Iterator[Chunk]:
    """Yield a chunk for each list, as splitting the job would."""
    lists = job.packed()
    if resources:
        lists = resources.numbered(lists, job.packed_resources())
    for number, (resource_type, packed) in enumerate(sorted(lists.items())):
        distinct = sorting.distinct(packed)
        yield Chunk(number, resource_type, len(distinct) // WIDTH * targets, ids=distinct)
    names = sorted(set(job.workspace_ids()))
    if names:
        yield Chunk(0, 0, len(names) * targets, names=names)
