"""Every statement on tags: one module per kind of job, and what the kinds have in common."""

from __future__ import annotations

from tagsweep.worker.store.attach import Attach
from tagsweep.worker.store.delete import Delete
from tagsweep.worker.store.detach import Detach
from tagsweep.worker.store.kinds import Kind, Place
from tagsweep.worker.store.merge.kind import Merge
from tagsweep.worker.store.set import Set
from tagsweep.worker.store.undo import Undo

__all__ = ["KINDS", "Place"]

#: what carries out each kind of job, by its name
KINDS: dict[str, Kind] = {
    "detach": Detach(),
    "delete": Delete(),
    "attach": Attach(),
    "merge": Merge(),
    "set": Set(),
    "undo": Undo(),
}
