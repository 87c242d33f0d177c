"""Tags, and the resources and workspaces that carry them: public (CONTRACT)."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from tagsweep.worker.models.tables.columns import CLUSTERED, metadata
from tagsweep.worker.models.tables.types import (
    Id,
    Moment,
    began,
    clock,
    random_id,
)

tag = Table(
    "tag",
    metadata,
    Column("id", Id, primary_key=True, server_default=random_id()),
    Column("tenant", String(36), nullable=False),
    Column("name", String(255), nullable=False),
    Column("created_at", Moment, nullable=False, server_default=began()),
    Column("updated_at", Moment, nullable=False, server_default=began()),
    UniqueConstraint("tenant", "name"),
)

tag_link = Table(
    "tag_link",
    metadata,
    Column("tag_id", ForeignKey("tag.id", ondelete="CASCADE"), type_=Id, nullable=False),
    Column("resource_type", SmallInteger, nullable=False),
    Column("resource_id", Id, nullable=False),
    Column("created_at", Moment, nullable=False, server_default=clock()),
    # in this order a chunk (one tag, one type, a range of ids) is one stretch of the key
    PrimaryKeyConstraint("tag_id", "resource_type", "resource_id"),
    # the tags of a resource, and the resources of a type by id
    Index("tag_link_resource", "resource_type", "resource_id"),
    **CLUSTERED,
)

workspace = Table(
    "workspace",
    metadata,
    Column("tenant", String(36), primary_key=True),
    Column("id", String(36), primary_key=True),
    Column("name", String(255)),  # for people; null: its id stands for it
    **CLUSTERED,
)

workspace_tag = Table(
    "workspace_tag",
    metadata,
    Column("tenant", String(36), nullable=False),
    Column("workspace_id", String(36), nullable=False),
    Column("key", Text, nullable=False),
    Column("value", Text, nullable=False, server_default=""),
    Column("system", Boolean(create_constraint=False), nullable=False, server_default="0"),
    Column("created_at", Moment, nullable=False, server_default=clock()),
    PrimaryKeyConstraint("tenant", "workspace_id", "system", "key"),
    ForeignKeyConstraint(
        ["tenant", "workspace_id"], ["workspace.tenant", "workspace.id"], ondelete="CASCADE"
    ),
    **CLUSTERED,
)
