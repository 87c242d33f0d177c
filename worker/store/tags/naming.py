"""Create, find and rename single tags."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, Row, select, update

from tagsweep.worker import database
from tagsweep.worker.audit import trail
from tagsweep.worker.database.dialects import insert_missing
from tagsweep.worker.errors import NameTaken, NoSuchTag, StoreRefused
from tagsweep.worker.models.requester import Requester
from tagsweep.worker.models.tables import clock, tag
from tagsweep.worker.store.links import shown


def create(connection: Connection, tenant: str, name: str, by: Requester) -> dict[str, Any]:
    """Create a tag of the tenant's and return it; raises NameTaken if there is one of this name."""
    row = {"id": uuid4(), "tenant": tenant, "name": name}
    created = connection.execute(insert_missing(connection, tag).returning(tag), row).one_or_none()
    if created is None:
        raise NameTaken
    target = str(created.id)
    trail.append(connection, "tag.create", by, tenant=tenant, target=target, details={"name": name})
    return shown(created)


def find(connection: Connection, tenant: str, tag_id: UUID) -> dict[str, Any]:
    """Return the tenant's tag; raises NoSuchTag, also if it is another tenant's."""
    query = select(tag).where(tag.c.tenant == tenant, tag.c.id == tag_id)
    found = connection.execute(query).one_or_none()
    if found is None:
        raise NoSuchTag
    return shown(found)


def named(connection: Connection, tenant: str, name: str) -> Row[Any] | None:
    """Return the row of the tenant's tag of this name; None if there is none."""
    query = select(tag).where(tag.c.tenant == tenant, tag.c.name == name)
    return connection.execute(query).one_or_none()


def rename(
    connection: Connection, tenant: str, tag_id: UUID, name: str, by: Requester
) -> dict[str, Any]:
    """Give the tenant's tag another name and return it; what carries it stays as it is.

    Raises NoSuchTag, and NameTaken if another tag has the name.
    """
    before = find(connection, tenant, tag_id)
    if before["name"] == name:
        return before
    # the time travels as a value: see links.report
    now = connection.execute(select(clock())).scalar_one()
    this = (tag.c.tenant == tenant, tag.c.id == tag_id)
    renaming = update(tag).where(*this).values(name=name, updated_at=now).returning(tag)
    try:
        with database.savepoint(connection):
            renamed = connection.execute(renaming).one_or_none()
    except StoreRefused:
        if named(connection, tenant, name) is None:
            raise
        raise NameTaken from None
    if renamed is None:  # it was deleted meanwhile
        raise NoSuchTag
    details = {"name": name, "former": before["name"]}
    trail.append(connection, "tag.rename", by, tenant=tenant, target=str(tag_id), details=details)
    return shown(renamed)
