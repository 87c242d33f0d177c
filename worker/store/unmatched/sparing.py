"""The tags in ``unless``: a name there that is no tag refuses the job.

A slip in a name must not remove what it should protect.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from tagsweep.worker.errors import InvalidJob
from tagsweep.worker.store.layout import Layout
from tagsweep.worker.store.unmatched.names import MissingNames


def ids(connection: Connection, tenant: str, names: Sequence[str], at: Layout) -> list[str]:
    """Return the ids of the tenant's tags of these names, of all where several have the same.

    Raises InvalidJob if one is missing.
    """
    if not names:
        return []
    tag = at.tag_table.c
    query = select(tag.id, tag.name).where(at.of_tenant(tenant), tag.name.in_(names))
    found = connection.execute(query).all()
    missing = MissingNames(connection, at).warnings(
        tenant, names, {row.name for row in found}, "unless"
    )
    if missing:
        raise InvalidJob(missing)
    return [str(row.id) for row in found]
