"""Where tags and links are: the tables and columns that the statements on them are written over.

A statement names no table of its own accord: its text has ``{at.links}`` for the table of links and
``{at.tag}``, ``{at.resource}`` for its columns, which a layout fills in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Table

from tagsweep.worker.models.records import JobRecord
from tagsweep.worker.models.tables import Id, Moment, PackedIds, tag, tag_link


@dataclass(frozen=True, eq=False)
class Layout:
    """The tables of some tags and links, and how ids and times are written there."""

    #: the tables; their columns have the keys of our own tables' columns
    tag_table: Table
    link_table: Table
    #: the same as SQL: the table of links, and its columns
    links: str
    tag: str
    resource: str
    own: str  #: the links of ``:resource_type``
    then: str  #: the links that existed when the job was accepted
    younger: str  #: those that were created later
    returned: str  #: the link as the record has it: ``tag_id, resource_id``, both UUIDs
    returned_resource: str  #: ``resource_id`` alone
    inserted: str  #: the columns of a new link
    inserting: str  #: their values, for each pair of ``tag.id`` and ``listed.id``
    types: dict[str, Any]  #: of the bind parameters

    def write(self, sql: str, **parts: str) -> str:
        """Return ``sql`` with this layout's names in place of ``{at.…}``; ``parts``: other ones."""
        return sql.format(at=self, **parts)

    def of_tenant(self, tenant: Any) -> ColumnElement[bool]:
        """Return the condition that a tag belongs to ``tenant``."""
        belongs: ColumnElement[bool] = self.tag_table.c.tenant == tenant
        return belongs

    def of_type(self, *numbers: int) -> ColumnElement[bool]:
        """Return the condition that a link is on a resource of one of these types."""
        return self.link_table.c.resource_type.in_(numbers)


#: our own tables
OWN = Layout(
    tag_table=tag,
    link_table=tag_link,
    links="@tag_link",
    tag="tag_id",
    resource="resource_id",
    own="resource_type = :resource_type",
    then="created_at <= :accepted_at",
    younger="created_at > :accepted_at",
    returned="tag_id, resource_id",
    returned_resource="resource_id",
    inserted="tag_id, resource_type, resource_id",
    inserting=":resource_type, listed.id",
    types={
        "job_id": Id(),
        "tag": Id(),
        "low": Id(),
        "high": Id(),
        "tags": PackedIds(),
        "ids": PackedIds(),
        "accepted_at": Moment(),
    },
)


def of(_job: JobRecord, _resource_type: int | None = None) -> Layout:
    """Return the layout of the job's tags, with its links on resources of one type."""
    return OWN
