"""What people would write themselves: FastAPI and SQLAlchemy, one DELETE, one UPDATE, a commit.

Nothing is recorded, no event is sent, nothing can be undone. BENCH_KEYS: key -> tenant, as JSON.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import FastAPI, Header, HTTPException
from pydantic import BaseModel
from sqlalchemy import (
    Column,
    DateTime,
    MetaData,
    SmallInteger,
    String,
    Table,
    Uuid,
    create_engine,
    select,
    update,
)
from sqlalchemy import delete as remove

from benchmarks.ground import LIST_NUMBER
from benchmarks.work import database_url

_metadata = MetaData(schema="tagsweep")
_tag = Table(
    "tag",
    _metadata,
    Column("id", Uuid, primary_key=True),
    Column("tenant", String),
    Column("name", String),
    Column("created_at", DateTime(timezone=True)),
    Column("updated_at", DateTime(timezone=True)),
)
_link = Table(
    "tag_link",
    _metadata,
    Column("tag_id", Uuid, primary_key=True),
    Column("resource_type", SmallInteger, primary_key=True),
    Column("resource_id", Uuid, primary_key=True),
)
_keys: dict[str, str] = json.loads(os.environ.get("BENCH_KEYS", "{}"))
_engine = create_engine(database_url().replace("postgresql://", "postgresql+psycopg://"))
app = FastAPI()


class Detach(BaseModel):
    """The body of a request."""

    names: list[str]
    destinations: list[UUID] = []


@app.post("/api/v1/tags/detach/")
def detach(body: Detach, x_api_key: Annotated[str, Header()]) -> list[dict[str, Any]]:
    """Take the tags off the resources; return the tags."""
    tenant = _keys.get(x_api_key)
    if tenant is None:
        raise HTTPException(401)
    with _engine.begin() as connection:
        named = select(_tag).where(_tag.c.tenant == tenant, _tag.c.name.in_(body.names))
        tags = [dict(row) for row in connection.execute(named).mappings()]
        ids = [tag["id"] for tag in tags]
        gone = remove(_link).where(
            _link.c.tag_id.in_(ids),
            _link.c.resource_type == LIST_NUMBER,
            _link.c.resource_id.in_(body.destinations),
        )
        if connection.execute(gone).rowcount:
            now = datetime.now(UTC)
            connection.execute(update(_tag).where(_tag.c.id.in_(ids)).values(updated_at=now))
            tags = [tag | {"updated_at": now} for tag in tags]
    return tags
