"""The links as each of the others would map and remove them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import create_engine, delete
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

from benchmarks.ground import LIST_NUMBER
from benchmarks.work import Work, database_url
from tagsweep.worker import settings
from tagsweep.worker.models import sorting as chunking

#: ids of one message, as tutorials have it
CHUNK = 1_000

#: how the server is to plan it, as on our connections
PLANNED = "-c jit=off -c plan_cache_mode=force_custom_plan -c enable_indexscan=off"
#: ours, without the record of what went
TUNED = """
DELETE FROM tagsweep.tag_link
WHERE tag_id {} AND resource_type = %(resource_type)s
  AND resource_id = ANY (%(ids)s::uuid[]) AND resource_id BETWEEN %(low)s AND %(high)s
  AND created_at <= now()
"""


class Base(DeclarativeBase):
    """The mapped tables."""


class TagLink(Base):
    """One tag on one resource."""

    __tablename__ = "tag_link"

    tag_id: Mapped[UUID] = mapped_column(primary_key=True)
    resource_type: Mapped[int] = mapped_column(primary_key=True)
    resource_id: Mapped[UUID] = mapped_column(primary_key=True)


def remove(tags: Sequence[str], ids: Sequence[str]) -> int:
    """Remove them as the ORM's manual has it; return how many links there were."""
    statement = delete(TagLink).where(
        TagLink.tag_id.in_([UUID(tag) for tag in tags]),
        TagLink.resource_type == LIST_NUMBER,
        TagLink.resource_id.in_([UUID(one) for one in ids]),
    )
    with _sessions().begin() as session:
        result: Any = session.execute(statement)
        return int(result.rowcount)


def remove_tuned(tags: Sequence[str], ids: Sequence[str]) -> int:
    """Remove them with our own statement; return how many links there were."""
    one = len(tags) == 1
    values = {
        "tags": tags[0] if one else list(tags),
        "resource_type": LIST_NUMBER,
        "ids": list(ids),
        "low": ids[0],
        "high": ids[-1],
    }
    tag = "= %(tags)s" if one else "= ANY (%(tags)s::uuid[])"
    return _connection().execute(TUNED.format(tag), values).rowcount


def chunks(work: Work) -> Iterator[list[str]]:
    """Yield the ids as they came, so many at a time."""
    for start in range(0, len(work.ids), CHUNK):
        yield work.ids[start : start + CHUNK]


def tuned_chunks(work: Work) -> Iterator[list[str]]:
    """Yield the ids in our order, as many at a time as we take."""
    ids = sorted(work.ids)
    size = chunking.size(settings.load().chunk_size, len(work.tags))
    for start in range(0, len(ids), size):
        yield ids[start : start + size]


@cache
def _sessions() -> sessionmaker[Session]:
    return sessionmaker(create_engine(database_url()))


@cache
def _connection() -> psycopg.Connection:
    return psycopg.connect(database_url(), autocommit=True, options=PLANNED)
