"""Drop tags that a job has left without links.

A dropped tag's place among the job's targets keeps all that an undo needs to make it again
(``new_tags.restore``).
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, delete, func, select

from tagsweep.worker.database.dialects import is_sqlite
from tagsweep.worker.errors import ItemError
from tagsweep.worker.models.records import JobRecord, is_dropped
from tagsweep.worker.models.tables import link_change, tag, tag_link

STAYS = 'The tag "{name}" stays: it is still on {links}.'

Target = dict[str, Any]


def drop(connection: Connection, job: JobRecord) -> tuple[list[Target], list[ItemError]]:
    """Drop the job's tags that have no links any more.

    Return the job's targets, those marked that are gone, and a warning for each that stays. The
    caller has locked the tags (``lock``). A dry run drops nothing, but has the same warnings.
    """
    left = {one["id"]: _left(connection, job, UUID(one["id"])) for one in _there(job)}
    free = [UUID(tag_id) for tag_id, links in left.items() if not links]
    gone = set() if job.dry_run else _drop(connection, job, free)
    targets = [one | {"dropped": True} if one["id"] in gone else one for one in job.targets]
    return targets, [_stays(job, one, left[one["id"]]) for one in _there(job) if left[one["id"]]]


def lock(connection: Connection, job: JobRecord) -> None:
    """Wait until nobody is putting any of the job's tags on anything, and let nobody begin to."""
    ids = [UUID(one["id"]) for one in _there(job)]
    query = select(tag.c.id).where(tag.c.tenant == job.tenant, tag.c.id.in_(ids))
    connection.execute(query.order_by(tag.c.id).with_for_update()).all()


def _there(job: JobRecord) -> list[Target]:
    return [one for one in job.targets if not is_dropped(one)]


def _left(connection: Connection, job: JobRecord, tag_id: UUID) -> int:
    """Return on how many resources a tag is; of a dry run: would be."""
    links = select(tag_link.c.resource_id).where(tag_link.c.tag_id == tag_id)
    if not job.dry_run and connection.execute(links.limit(1)).first() is None:
        return 0
    left = int(connection.execute(select(func.count()).select_from(links.subquery())).scalar_one())
    return left - _would(connection, job, tag_id) if job.dry_run else left


def _would(connection: Connection, job: JobRecord, tag_id: UUID) -> int:
    """Return how many links of a tag the job has recorded."""
    columns = link_change.c
    sizes = (
        func.length(columns.ids) / 16 if is_sqlite(connection) else func.cardinality(columns.ids)
    )
    query = select(func.coalesce(func.sum(sizes), 0))
    these = query.where(columns.job_id == job.id, columns.tag_id == tag_id)
    return int(connection.execute(these).scalar_one())


def _drop(connection: Connection, job: JobRecord, ids: list[UUID]) -> set[str]:
    these = delete(tag).where(tag.c.tenant == job.tenant, tag.c.id.in_(ids))
    return {str(one) for one in connection.execute(these.returning(tag.c.id)).scalars()}


def _stays(job: JobRecord, one: Target, links: int) -> ItemError:
    place = job.head["names"].index(one["name"]) if one["name"] in job.head["names"] else 0
    some = f"{links:,} resource" + "s" * (links != 1)
    reason = STAYS.format(name=one["name"], links=some)
    return {"path": f"/names/{place}", "code": "has_links", "reason": reason}
