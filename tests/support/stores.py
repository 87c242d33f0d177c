"""A store as a test fills it and looks at it: tags, links and workspaces, tenant by tenant."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, Engine, select

from tagsweep.worker import database, settings
from tagsweep.worker.models.ids import RESOURCE_TYPES
from tagsweep.worker.models.tables import (
    chunk,
    job,
    outbox,
    part,
    set_aside,
    workspace,
    workspace_tag,
)
from tagsweep.worker.store import bulk_load
from tests.support import configurations
from tests.support.configuration import Configuration

Link = tuple[str, str, str]


def new_tenant() -> str:
    """Return a tenant that no other test knows."""
    return f"t-{uuid4().hex[:12]}"


def new_ids(how_many: int, seed: int | None = None) -> list[str]:
    """Return random ids, the same ones for the same seed, in no order."""
    draw = random.Random(seed)  # noqa: S311  # no secret
    return [id_of(draw.getrandbits(128)) for _ in range(how_many)]


def id_of(number: int) -> str:
    """Return the id of a resource that a number of 128 bits stands for, in the order of those."""
    return configurations.active().tables.id(number)


def shown(tag_id: UUID | int) -> str | int:
    """Return the id of a tag as JSON has it."""
    return tag_id if isinstance(tag_id, int) else str(tag_id)


class Store:
    """One store, through an engine of its own."""

    def __init__(self, database_url: str) -> None:
        self.url = database_url
        config = settings.Settings(database_url=database_url)
        own = configurations.active().schema
        if own != Configuration.schema:  # else as the environment has it
            config = config.over(schema_name=own)
        # in SQLite there are no tables but our own
        mapped = database_url.startswith("postgres") and not configurations.active().plain
        self.tables = configurations.active().tables if mapped else Configuration.tables
        self.engine: Engine = database.open_engine(config)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Open a transaction of the test's own."""
        with self.engine.begin() as connection:
            yield connection

    def check(self) -> None:
        """Assert what always holds of the tables of tags and links."""
        with self.transaction() as connection:
            self.tables.check(connection)

    def close(self) -> None:
        """Let go of every connection."""
        self.engine.dispose()

    def tag(self, tenant: str, name: str, **lists: Iterable[str]) -> Any:
        """Create the tag where it is missing, and put it on the resources of each list."""
        with self.transaction() as connection:
            tag_id = self.tables.ensure_tag(connection, tenant, name)
            for resource_type, ids in lists.items():
                self.tables.link(connection, tag_id, resource_type, list(ids))
        return tag_id

    def remove_tag(self, tenant: str, name: str) -> None:
        """Delete a tag with its links, as somebody else does."""
        with self.transaction() as connection:
            self.tables.remove_tag(connection, tenant, name)

    def unlink(self, *ids: str) -> None:
        """Take all tags off resources, as somebody else does."""
        with self.transaction() as connection:
            self.tables.unlink(connection, ids)

    def workspace(
        self,
        tenant: str,
        workspace_id: str,
        tags: Mapping[str, str] | None = None,
        sys_tags: Mapping[str, str] | None = None,
        *,
        name: str | None = None,
    ) -> None:
        """Create the workspace where it is missing, and give it tags."""
        values = {(key, False): value for key, value in (tags or {}).items()}
        values |= {(key, True): value for key, value in (sys_tags or {}).items()}
        with self.transaction() as connection:
            bulk_load.set_workspace_tags(connection, tenant, workspace_id, values, name)

    def links(self, tenant: str) -> set[Link]:
        """Return every link of the tenant: name of the tag, type and id of the resource."""
        tags, links = self.tables.tag_table.c, self.tables.link_table
        query = select(tags.name, self.tables.of_type, self.tables.of_resource)
        query = query.join_from(links, tags.id.table, tags.id == links.c.tag_id)
        rows = self._all(query.where(tags.tenant == tenant))
        return {(name, RESOURCE_TYPES[kind - 1], str(one)) for name, kind, one in rows}

    def tags(self, tenant: str) -> dict[str, Any]:
        """Return the tenant's tags, whole rows, by name."""
        table = self.tables.tag_table
        return {row.name: row for row in self._all(select(table).where(table.c.tenant == tenant))}

    def workspaces(self, tenant: str) -> set[str]:
        """Return the tenant's workspaces."""
        rows = self._all(select(workspace.c.id).where(workspace.c.tenant == tenant))
        return {row.id for row in rows}

    def workspace_tags(self, tenant: str) -> set[tuple[str, str, str, bool]]:
        """Return workspace, key, value and whether it is a system tag, of all the tenant's."""
        columns = workspace_tag.c
        query = select(columns.workspace_id, columns.key, columns.value, columns.system)
        return {tuple(row) for row in self._all(query.where(columns.tenant == tenant))}

    def job(self, job_id: UUID | str) -> Any:
        """Return the job's row; None where there is none."""
        rows = self._all(select(job).where(job.c.id == UUID(str(job_id))))
        return rows[0] if rows else None

    def chunks(self, job_id: UUID | str) -> list[Any]:
        """Return the job's chunks in their order."""
        query = select(chunk).where(chunk.c.job_id == UUID(str(job_id)))
        return self._all(query.order_by(chunk.c.number))

    def parts(self, job_id: UUID | str) -> list[Any]:
        """Return what is kept of the job's lists while it is not split."""
        return self._all(select(part).where(part.c.job_id == UUID(str(job_id))))

    def outbox(self, job_id: UUID | str | None = None) -> list[Any]:
        """Return the rows of the outbox, of one job or of all, in the order of the feed."""
        query = select(outbox).order_by(outbox.c.position)
        if job_id is not None:
            query = query.where(outbox.c.job_id == UUID(str(job_id)))
        return self._all(query)

    def set_aside(self, task_id: str) -> list[Any]:
        """Return the messages of this task id that were set aside."""
        return self._all(select(set_aside).where(set_aside.c.task_id == task_id))

    def _all(self, query: Any) -> list[Any]:
        with self.engine.connect().execution_options(reading=True) as connection:
            return list(connection.execute(query).all())


def counts(**some: int) -> dict[str, int]:
    """Return the counts of a detach or delete; those not given are 0."""
    names = ("total", "removed", "absent", "failed", "unprocessed")
    return {name: some.get(name, 0) for name in names}


def attached(**some: int) -> dict[str, int]:
    """Return the counts of an attach; those not given are 0."""
    names = ("total", "added", "present", "failed", "unprocessed")
    return {name: some.get(name, 0) for name in names}


def adds_up(data: Mapping[str, Any]) -> bool:
    """Tell whether the last four counts make up the first."""
    found = data["counts"]
    return bool(found["total"] == sum(found.values()) - found["total"])
