"""The tables of tags and links that a test fills and looks at: tagsweep's own, or an application's.

A test names a resource by a text, which is what the tables in use take for an id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    DateTime,
    Integer,
    MetaData,
    Table,
    Text,
    delete,
    select,
    text,
)

from tagsweep.worker.models.ids import RESOURCE_TYPES, number_of, pack
from tagsweep.worker.models.jobs import Job
from tagsweep.worker.models.records import Lists
from tagsweep.worker.models.resources import NUMBER, ResourceIds, pack_kind
from tagsweep.worker.models.tables import tag, tag_link
from tagsweep.worker.store import bulk_load


class LinkTables:
    """Tagsweep's own: resources are UUIDs, of eight types."""

    #: as SQL: the table of links, its column of resources, and the table of tags
    links = "tag_link"
    resource = "resource_id"
    tags = "tag"
    drops = True  #: whether jobs may drop its tags
    tag_table = tag
    link_table = tag_link
    of_type = tag_link.c.resource_type
    of_resource = tag_link.c.resource_id

    def id(self, number: int) -> str:
        """Return the id that a number stands for; it has the order of the numbers."""
        return str(UUID(int=number, version=4))

    def value(self, resource_id: str) -> Any:
        """Return an id as the tables have it."""
        return UUID(resource_id)

    def named(self, shown: Any) -> Any:
        """Return the id of a resource as tests name it, which JSON shows as ``shown``."""
        return shown

    def packed(self, ids: Sequence[str]) -> bytes:
        """Return ids as a part of a stream carries them."""
        return pack(ids)

    def lists(self, ids: Mapping[str, Sequence[str]], names: Sequence[str] = ()) -> Lists:
        """Return lists as they are stored with a job."""
        packed = {number_of(name): self.packed(some) for name, some in ids.items()}
        return Lists({number: some for number, some in packed.items() if some}, tuple(names))

    def body(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return a job's JSON with the lists, which are given by type, where these tables' are."""
        return dict(given)

    def of_parts(self, job: Job, lists: Sequence[Lists]) -> Job:  # noqa: ARG002  # others do
        """Return the job without its lists, which come in parts."""
        return job

    def part(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the JSON of a part of a stream likewise."""
        return dict(given)

    def path(self, of_list: str) -> str:
        """Return the path of a list in errors and warnings."""
        return of_list

    def arguments(self, given: list[str]) -> list[str]:
        """Return a command's arguments likewise."""
        return given

    def ensure_tag(self, connection: Connection, tenant: str, name: str) -> Any:
        """Return the id of a tag, which is created if it is missing."""
        return bulk_load.ensure_tag(connection, tenant, name)

    def link(self, connection: Connection, tag_id: Any, name: str, ids: Sequence[str]) -> None:
        """Put a tag on resources of a type; a link that is there stays as it is."""
        if ids:
            bulk_load.link(connection, tag_id, number_of(name), pack(ids))

    def unlink(self, connection: Connection, ids: Sequence[str]) -> None:
        """Take all tags off resources, as somebody else does."""
        these = self.of_resource.in_([self.value(one) for one in ids])
        connection.execute(delete(self.link_table).where(these))

    def remove_tag(self, connection: Connection, tenant: str, name: str) -> None:
        """Delete a tag with its links, as somebody else does."""
        this = (self.tag_table.c.tenant == tenant, self.tag_table.c.name == name)
        connection.execute(delete(self.tag_table).where(*this))

    def check(self, connection: Connection) -> None:
        """Assert what always holds."""


_metadata = MetaData(schema="application")
_label = Table(
    "label",
    _metadata,
    Column("id", BigInteger, primary_key=True),
    Column("tenant", Text),
    Column("name", Text),
    Column("links", BigInteger),
    Column("created_at", DateTime(timezone=True)),
    Column("updated_at", DateTime(timezone=True)),
)
_labelled = Table(
    "labelled_item",
    _metadata,
    Column("id", BigInteger, primary_key=True),
    Column("object_id", BigInteger),
    Column("content_type_id", Integer),
    Column("tag_id", BigInteger),
)
# as the application writes: links with values that no job could guess, and each is counted
_LINK = text("""
WITH new AS (
    INSERT INTO application.labelled_item
        (object_id, content_type_id, tag_id, added_by, weight, details)
    SELECT o, :kind, :tag, 'user ' || o, o / 7.0, json_build_object('b', o, 'a', E'line\\nbreak')
    FROM unnest(CAST(:objects AS bigint[])) AS o
    ORDER BY o
    ON CONFLICT DO NOTHING
    RETURNING id
)
UPDATE application.label SET links = links + (SELECT count(*) FROM new) WHERE id = :tag
""")
_UNLINK = text("""
WITH gone AS (
    DELETE FROM application.labelled_item WHERE object_id = ANY (:objects) RETURNING tag_id
), counted AS (
    SELECT tag_id, count(*) AS number FROM gone GROUP BY tag_id
)
UPDATE application.label SET links = links - number FROM counted WHERE id = tag_id
""")
_MISCOUNTED = text("""
SELECT tenant, name, links,
    (SELECT count(*) FROM application.labelled_item WHERE tag_id = label.id) AS found
FROM application.label
WHERE links <> (SELECT count(*) FROM application.labelled_item WHERE tag_id = label.id)
""")
_CHANGED = text("""
SELECT array_agg(DISTINCT line) FROM application.inserted GROUP BY id HAVING
    count(DISTINCT line) > 1
""")


class MappedTables(LinkTables):
    """An application's (``application.sql``) in the way of taggit: resources are numbers."""

    links = "application.labelled_item"
    resource = "object_id"
    tags = "application.label"
    drops = False
    tag_table = _label
    link_table = _labelled
    of_type = _labelled.c.content_type_id
    of_resource = _labelled.c.object_id

    def id(self, number: int) -> str:
        """Return a number of the highest 60 bits, always of 19 digits: its text has its order."""
        return str(1 << 60 | number >> 68)

    def value(self, resource_id: str) -> Any:
        """Return the number."""
        return int(resource_id)

    def named(self, shown: Any) -> Any:
        """Return a number as text."""
        return str(shown)

    def packed(self, ids: Sequence[str]) -> bytes:
        """Return the numbers packed."""
        return pack_kind(NUMBER, ids)

    def lists(self, ids: Mapping[str, Sequence[str]], names: Sequence[str] = ()) -> Lists:
        """Return lists by name."""
        packed = {name: self.packed(some) for name, some in ids.items()}
        return Lists({}, tuple(names), {name: some for name, some in packed.items() if some})

    def body(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Put the lists into ``resources``."""
        lists = {name: given[name] for name in RESOURCE_TYPES if name in given}
        rest = {name: value for name, value in given.items() if name not in lists}
        return {**rest, "resources": lists} if lists else rest

    def of_parts(self, job: Job, lists: Sequence[Lists]) -> Job:
        """Tell of which kinds the lists are; of those that there may be, if all are empty."""
        names = {name for some in lists for name in some.resources} or set(RESOURCE_TYPES)
        kinds = {name: ResourceIds(NUMBER) for name in RESOURCE_TYPES if name in names}
        return job.model_copy(update={"resources": kinds})

    def part(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Put the lists into ``resources``; each part tells of all that there may be."""
        moved = dict(given)
        ids = moved.pop("ids", None)
        if ids is None:
            return moved
        kinds = {"resources": dict.fromkeys(RESOURCE_TYPES, NUMBER)}
        return {**moved, "head": {**moved["head"], **kinds}, "resources": ids}

    def path(self, of_list: str) -> str:
        """Put it under ``resources``, if it is that of a type."""
        return f"/resources{of_list}" if of_list[1:] in RESOURCE_TYPES else of_list

    def arguments(self, given: list[str]) -> list[str]:
        """Put the lists into ``--resources``."""
        options = {f"--{name}": name for name in RESOURCE_TYPES}
        moved: list[str] = []
        for before, one in zip(["", *given], given, strict=False):
            name = options.get(before)
            moved.append("--resources" if one in options else f"{name}={one}" if name else one)
        return moved

    def ensure_tag(self, connection: Connection, tenant: str, name: str) -> Any:
        """Return the number of a tag, which is created if it is missing."""
        new = "INSERT INTO application.label (tenant, name) VALUES (:tenant, :name)"
        connection.execute(text(f"{new} ON CONFLICT DO NOTHING"), {"tenant": tenant, "name": name})
        columns = self.tag_table.c
        query = select(columns.id).where(columns.tenant == tenant, columns.name == name)
        return connection.execute(query).scalar_one()

    def link(self, connection: Connection, tag_id: Any, name: str, ids: Sequence[str]) -> None:
        """Put a tag on objects, and count them."""
        objects = [self.value(one) for one in ids]
        values = {"tag": tag_id, "kind": number_of(name), "objects": objects}
        connection.execute(_LINK, values)

    def unlink(self, connection: Connection, ids: Sequence[str]) -> None:
        """Take all tags off objects, and count them."""
        connection.execute(_UNLINK, {"objects": [self.value(one) for one in ids]})

    def remove_tag(self, connection: Connection, tenant: str, name: str) -> None:
        """Delete the links, then the tag: Django does so itself, no foreign key does."""
        columns = self.tag_table.c
        this = select(columns.id).where(columns.tenant == tenant, columns.name == name)
        connection.execute(
            delete(self.link_table).where(self.link_table.c.tag_id == this.scalar_subquery())
        )
        super().remove_tag(connection, tenant, name)

    def check(self, connection: Connection) -> None:
        """Assert that counters are right, and that whatever came back is the row that it was."""
        assert connection.execute(_MISCOUNTED).all() == []
        assert connection.execute(_CHANGED).all() == []
