"""The workspaces of a tenant and their tags, as lists show them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, exists, func, select

from tagsweep.worker.database.dialects import among, is_sqlite
from tagsweep.worker.models.tables import workspace, workspace_tag

#: a tag: its key and its value
Tag = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Workspace:
    """A workspace: its name, and its tags by key."""

    id: str
    name: str
    tags: list[Tag]
    sys_tags: list[Tag]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which workspaces are looked for: those that meet all of it."""

    tags: Mapping[str, Collection[str]]  #: by key, the values of which one will do; none: any
    sys_tags: Mapping[str, Collection[str]]
    names: Sequence[str]  #: each of them is a part of the workspace's name
    untagged: bool = False  #: without any tag but those of the system

    def condition(self, connection: Connection, tenant: str) -> ColumnElement[bool]:
        """Return this as SQL on ``workspace``."""
        conditions = [workspace.c.tenant == tenant]
        for tags, system in ((self.tags, False), (self.sys_tags, True)):
            conditions += [
                _has(connection, key, values, system=system) for key, values in tags.items()
            ]
        conditions += [_is_named(connection, part) for part in self.names]
        if self.untagged:
            conditions.append(~exists().where(_own(), ~workspace_tag.c.system))
        return and_(*conditions)


def tags_of(
    connection: Connection, tenant: str, workspace_id: str, offset: int, limit: int
) -> list[Tag]:
    """Return a page of the tags of a workspace by key, those of the system aside."""
    query = _tags_of(connection, tenant, workspace_id, system=False)
    return [(row.key, row.value) for row in connection.execute(query.offset(offset).limit(limit))]


def sys_tags_of(connection: Connection, tenant: str, workspace_id: str) -> list[Tag]:
    """Return the system tags of a workspace by key."""
    query = _tags_of(connection, tenant, workspace_id, system=True)
    return [(row.key, row.value) for row in connection.execute(query)]


def keys(
    connection: Connection, tenant: str, offset: int, limit: int
) -> list[tuple[str, list[str]]]:
    """Return a page of the keys of a tenant's workspaces, each with all its values in use."""
    of, own = workspace_tag.c, (workspace_tag.c.tenant == tenant, ~workspace_tag.c.system)
    key, value = _ordered(connection, of.key), _ordered(connection, of.value)
    page = select(of.key).where(*own).group_by(of.key).order_by(key).offset(offset).limit(limit)
    found: dict[str, list[str]] = {one: [] for one in connection.execute(page).scalars()}
    if not found:
        return []
    query = select(of.key, of.value).where(*own, among(connection, of.key, list(found)))
    for row in connection.execute(query.group_by(of.key, of.value).order_by(key, value)):
        found[row.key].append(row.value)
    return list(found.items())


def count(connection: Connection, tenant: str, wanted: Wanted) -> int:
    """Return how many workspaces there are of those looked for."""
    query = select(func.count()).where(wanted.condition(connection, tenant))
    return int(connection.execute(query.select_from(workspace)).scalar_one())


def page(
    connection: Connection, tenant: str, wanted: Wanted, offset: int, limit: int
) -> list[Workspace]:
    """Return a page of the workspaces looked for, by id, with all their tags."""
    of = workspace.c
    query = select(of.id, of.name).where(wanted.condition(connection, tenant))
    query = query.order_by(_ordered(connection, of.id)).offset(offset).limit(limit)
    rows = connection.execute(query).all()
    tags = _tags(connection, tenant, [row.id for row in rows])
    return [
        Workspace(row.id, row.name or row.id, tags[row.id, False], tags[row.id, True])
        for row in rows
    ]


def _tags(
    connection: Connection, tenant: str, workspaces: list[str]
) -> Mapping[tuple[str, bool], list[Tag]]:
    found: dict[tuple[str, bool], list[Tag]] = defaultdict(list)
    of = workspace_tag.c
    these = of.tenant == tenant, among(connection, of.workspace_id, workspaces)
    query = select(of.workspace_id, of.system, of.key, of.value).where(*these)
    for row in connection.execute(query.order_by(_ordered(connection, of.key))):
        found[row.workspace_id, bool(row.system)].append((row.key, row.value))
    return found


def _tags_of(connection: Connection, tenant: str, workspace_id: str, *, system: bool) -> Any:
    of = workspace_tag.c
    these = of.tenant == tenant, of.workspace_id == workspace_id, of.system.is_(system)
    return select(of.key, of.value).where(*these).order_by(_ordered(connection, of.key))


def _own() -> ColumnElement[bool]:
    of = workspace_tag.c
    return and_(of.tenant == workspace.c.tenant, of.workspace_id == workspace.c.id)


def _has(
    connection: Connection, key: str, values: Collection[str], *, system: bool
) -> ColumnElement[bool]:
    of = workspace_tag.c
    conditions = [_own(), of.key == key, of.system.is_(system)]
    if values:
        conditions.append(among(connection, of.value, list(values)))
    return exists().where(*conditions)


def _is_named(connection: Connection, part: str) -> ColumnElement[bool]:
    name: ColumnElement[str] = func.coalesce(workspace.c.name, workspace.c.id)
    if not part:
        return name == part
    within = func.instr if is_sqlite(connection) else func.strpos
    return within(func.lower(name), func.lower(part)) > 0


def _ordered(connection: Connection, column: Any) -> ColumnElement[Any]:
    """Return the column in an order that is the same in every store: that of its characters."""
    ordered: ColumnElement[Any] = column if is_sqlite(connection) else column.collate("C")
    return ordered
