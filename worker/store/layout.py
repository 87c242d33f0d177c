"""Where tags and links are: the tables and columns that the statements on them are written over.

A statement names no table of its own accord: its text has ``{at.links}`` for the table of links and
``{at.tag}``, ``{at.resource}`` for its columns, which a layout fills in.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, String, Table, and_, cast, literal, text

from tagsweep.worker.models.records import JobRecord
from tagsweep.worker.models.tables import Id, Moment, PackedIds, tag

CARRIES = """EXISTS (
    SELECT 1 FROM {links} AS other
    WHERE other.{tag} IN :unless AND other.{resource} = {outer} AND {own}
)"""


@dataclass(frozen=True, eq=False)
class Layout:
    """The tables of some tags and links, and how ids and times are written there."""

    #: the table of tags; its columns have the keys of our own table's columns
    tag_table: Table
    #: the table of links as SQL, and its columns
    links: str
    tag: str
    resource: str
    own: str  #: the links of ``:resource_type``
    then: str  #: the links that existed when the job was accepted
    between: str  #: those that were created later, but before the job was split
    returned: str  #: the link as the record has it: ``tag_id, resource_id``, both UUIDs
    returned_resource: str  #: ``resource_id`` alone
    inserted: str  #: the columns of a new link
    inserting: str  #: their values but the tag's, for each pair of ``tag.id`` and ``listed.id``
    types: dict[str, Any]  #: of the bind parameters
    time: str | None  #: when a link was created; None: that is not known
    carries: str  #: the condition that a link's resource carries one of the tags ``:unless``
    timely: str = "true"  #: what the conditions of the job ask of a link's time
    asked: str = "true"  #: all that they ask of a link
    #: what lets a link that is there stay as it is: that, or the condition that there is none,
    #: where another key than that of links may refuse a row
    conflict: str = "ON CONFLICT DO NOTHING"
    missing: str = ""
    restored: str = ""  #: the columns of a link that comes back
    restoring: str = ""  #: their values but the tag's
    found: str = "id"  #: a resource named ``id``, as a UUID
    counted: str = "count(*)"  #: how many links there are, a resource once for each tag
    distinct: str = ""  #: what makes a resource come once for a tag
    single: bool = True  #: whether a tag and a resource have one link at most
    kept: str = ""  #: what else is recorded of a removed link, as one text
    this_tag: str = ":tag"  #: the one tag of a statement, as the record has it
    tags: str = "@tag"  #: the table of tags as SQL
    tags_id: str = "id"  #: its key, and the type of that
    tag_type: str = "uuid"
    tags_name: str = "name"
    tags_owner: str = "tenant"  #: the tenant that it belongs to, as text
    tags_shown: str = "id, tenant, name, created_at, updated_at"  #: a tag as the contract shows it
    tags_fixed: str = ""  #: the condition that a tag is one of those mapped
    tags_own: str = ""  #: the condition that a tag is ``:tenant``'s, and one of those mapped
    tags_values: dict[str, Any] = field(default_factory=dict)  #: of its bind parameters
    tags_inserted: str = ""  #: the columns of a new tag, and their values
    tags_inserting: str = ""
    tenant: str | None = None  #: the only one that has tags here
    tenant_type: str | None = None  #: of the tenant's column if it is not text
    updated: str | None = "updated_at"  #: the column of tags that changes with their links
    counter: str | None = None  #: the column of tags that counts their links
    creates: bool = True  #: whether tags that are missing may be created
    mapped: bool = False  #: whether the tables are the operator's own

    @property
    def removed(self) -> str:
        """A removed link as the record has it."""
        return f"{self.returned}, {self.kept} AS kept" if self.kept else self.returned

    @property
    def before(self) -> str:
        """The condition ``then`` of a job that puts links elsewhere itself: it spares none."""
        return self.then.replace(":place", ":place AND job_id <> :job_id")

    @property
    def missing_between(self) -> str:
        """The condition ``missing`` of resources from ``:low`` to ``:high``: reads no others."""
        if not self.missing:
            return ""
        rest = self.missing.removesuffix(")")
        return f"{rest} AND there.{self.resource} BETWEEN :low AND :high)"

    def write(self, sql: str, **parts: str) -> str:
        """Return ``sql`` with this layout's names in place of ``{at.…}``; ``parts``: other ones."""
        return sql.format(at=self, **parts)

    def of_tenant(self, tenant: Any) -> ColumnElement[bool]:
        """Return the condition that a tag belongs to ``tenant``."""
        owner: ColumnElement[str] = literal(self.tenant)
        if self.tenant is None:
            column = self.tag_table.c.tenant
            owner = cast(column, String) if self.tenant_type else column
        belongs: ColumnElement[bool] = owner == tenant
        if not self.tags_fixed:
            return belongs
        return and_(belongs, text(self.tags_fixed).bindparams(**self.tags_values))


#: our own tables
OWN = Layout(
    tag_table=tag,
    links="@tag_link",
    tag="tag_id",
    resource="resource_id",
    own="resource_type = :resource_type",
    then="created_at <= :accepted_at",
    between="created_at > :accepted_at AND created_at <= :split_at",
    time="created_at",
    carries=CARRIES.format(
        links="@tag_link",
        tag="tag_id",
        resource="resource_id",
        own="other.resource_type = :resource_type",
        outer="tag_link.resource_id",
    ),
    returned="tag_id, resource_id",
    returned_resource="resource_id",
    inserted="tag_id, resource_type, resource_id",
    inserting=":resource_type, listed.id",
    types={
        "job_id": Id(),
        "jobs": PackedIds(),
        "now": Moment(),
        "tag": Id(),
        "into": Id(),
        "low": Id(),
        "high": Id(),
        "tags": PackedIds(),
        "unless": Id(),
        "ids": PackedIds(),
        "attached_before": Moment(),
        "attached_after": Moment(),
        "accepted_at": Moment(),
        "split_at": Moment(),
    },
)


def as_of(job: JobRecord) -> datetime:
    """Return the time up to which what was attached is the job's to remove: mostly its own.

    That of an undo is the end of the job that it undoes, that of a run its preview's acceptance.
    """
    return job.as_of or job.accepted_at
