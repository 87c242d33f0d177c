"""Tags as pages show them: each function is one transaction, run in a thread."""

from __future__ import annotations

from tagsweep.worker import database
from tagsweep.worker.store.inventory import tag_names
from tagsweep.worker.store.inventory.tag_names import COUNTED, Named

__all__ = ["COUNTED", "page"]


def page(tenant: str, start: str, after: str, limit: int) -> list[Named]:
    """Return up to ``limit`` tags whose names begin with ``start``, after a name, in order."""
    with database.reading() as connection:
        return tag_names.page(connection, tenant, start, after, limit)
