"""The store as it began: tags and links, jobs and their chunks, what they removed, the outbox."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from tagsweep.worker.models.tables import types

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

DOCUMENT = sa.JSON(none_as_null=True)
NAMES = sa.JSON(none_as_null=True).with_variant(postgresql.ARRAY(sa.Text), "postgresql")


def upgrade() -> None:
    _tags()
    _jobs()
    _events()
    op.execute("INSERT INTO feed (id, position) VALUES (1, 0)")
    op.execute("INSERT INTO throttle (id) VALUES (1)")
    op.execute("INSERT INTO alarm (id) VALUES (1)")
    op.execute("INSERT INTO chore (id) VALUES (1)")


def downgrade() -> None:
    for table in ("reply", "outbox", "feed", "set_aside", "attempt"):
        op.drop_table(table)
    for table in ("alarm", "throttle", "failure", "workspace_removal", "removal", "chunk"):
        op.drop_table(table)
    for table in ("part", "job", "chore"):
        op.drop_table(table)
    for table in ("workspace_tag", "workspace", "tag_link", "tag"):
        op.drop_table(table)


def _tags() -> None:
    op.create_table(
        "tag",
        sa.Column("id", types.Id(), server_default=types.random_id(), nullable=False),
        sa.Column("tenant", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("created_at", types.Moment(), server_default=types.began(), nullable=False),
        sa.Column("updated_at", types.Moment(), server_default=types.began(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="tag_pkey"),
        sa.UniqueConstraint("tenant", "name", name="tag_tenant_name_key"),
    )
    op.create_table(
        "workspace",
        sa.Column("tenant", sa.String(length=36), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name="workspace_pkey"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "tag_link",
        sa.Column("tag_id", types.Id(), nullable=False),
        sa.Column("resource_type", sa.SmallInteger(), nullable=False),
        sa.Column("resource_id", types.Id(), nullable=False),
        sa.Column("created_at", types.Moment(), server_default=types.clock(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tag_id"], ["tag.id"], name="tag_link_tag_id_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("tag_id", "resource_type", "resource_id", name="tag_link_pkey"),
        sqlite_with_rowid=False,
    )
    op.create_index("tag_link_resource", "tag_link", ["resource_type", "resource_id"])
    op.create_table(
        "workspace_tag",
        sa.Column("tenant", sa.String(length=36), nullable=False),
        sa.Column("workspace_id", sa.String(length=36), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), server_default="", nullable=False),
        sa.Column("system", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("created_at", types.Moment(), server_default=types.clock(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "workspace_id"],
            ["workspace.tenant", "workspace.id"],
            name="workspace_tag_tenant_fkey",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "tenant", "workspace_id", "system", "key", name="workspace_tag_pkey"
        ),
        sqlite_with_rowid=False,
    )


def _jobs() -> None:
    op.create_table(
        "job",
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("tenant", sa.String(length=36), nullable=True),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("status", sa.String(length=16), server_default="queued", nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(length=32), nullable=False),
        sa.Column("head", DOCUMENT, nullable=False),
        sa.Column("matched", DOCUMENT, nullable=True),
        sa.Column("nonce", sa.String(length=36), nullable=True),
        sa.Column("parts_in", sa.Integer(), server_default="0", nullable=False),
        sa.Column("parts", sa.Integer(), nullable=True),
        sa.Column("part_at", types.Moment(), nullable=True),
        sa.Column("probe_sent_at", types.Moment(), nullable=True),
        sa.Column("probed_at", types.Moment(), nullable=True),
        sa.Column("probed_parts", sa.Integer(), nullable=True),
        sa.Column("open", sa.Integer(), server_default="0", nullable=False),
        sa.Column("total", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("removed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("absent", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("failed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("remaining", sa.BigInteger(), nullable=True),
        sa.Column("errors", DOCUMENT, server_default="[]", nullable=False),
        sa.Column("errors_total", sa.Integer(), server_default="0", nullable=False),
        sa.Column("cancelling", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("paused", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("ends", sa.Integer(), server_default="0", nullable=False),
        sa.Column("accepted_at", types.Moment(), server_default=types.clock(), nullable=False),
        sa.Column("started_at", types.Moment(), nullable=True),
        sa.Column("finished_at", types.Moment(), nullable=True),
        sa.Column("served_at", types.Moment(), nullable=True),
        sa.Column("forgotten_at", types.Moment(), nullable=True),
        sa.Column("adds", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("as_of", types.Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="job_pkey"),
    )
    op.create_index(
        "job_open",
        "job",
        ["accepted_at"],
        postgresql_where=sa.text("open > 0"),
        sqlite_where=sa.text("open > 0"),
    )
    op.create_index(
        "job_queued",
        "job",
        ["accepted_at"],
        postgresql_where=sa.text("status = 'queued'"),
        sqlite_where=sa.text("status = 'queued'"),
    )
    op.create_index("job_tenant", "job", ["tenant", "accepted_at"])
    op.create_index("job_turn", "job", ["tenant", "served_at"])
    op.create_index("job_finished", "job", ["finished_at"])
    op.create_table(
        "throttle",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("next_at", types.Moment(), server_default=types.clock(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="throttle_pkey"),
    )
    op.create_table(
        "alarm",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("until", types.Moment(), server_default=types.clock(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="alarm_pkey"),
    )
    op.create_table(
        "chore",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("due_at", types.Moment(), server_default=types.clock(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="chore_pkey"),
    )
    op.create_table(
        "removal",
        sa.Column("job_id", types.Id(), nullable=False),
        sa.Column("chunk", sa.Integer(), nullable=False),
        sa.Column("tag_id", types.Id(), nullable=False),
        sa.Column("resource_type", sa.SmallInteger(), nullable=False),
        sa.Column("ids", types.PackedIds(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
    )
    op.create_index("removal_job", "removal", ["job_id", "chunk"])
    op.create_table(
        "workspace_removal",
        sa.Column("job_id", types.Id(), nullable=False),
        sa.Column("chunk", sa.Integer(), nullable=False),
        sa.Column("workspace_id", sa.String(length=36), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("system", sa.Boolean(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
    )
    op.create_index("workspace_removal_job", "workspace_removal", ["job_id", "chunk"])
    op.create_table(
        "failure",
        sa.Column("job_id", types.Id(), nullable=False),
        sa.Column("chunk", sa.Integer(), nullable=False),
        sa.Column("resource_type", sa.SmallInteger(), nullable=False),
        sa.Column("place", sa.String(length=36), nullable=False),
        sa.Column("target", sa.Integer(), nullable=True),
        sa.Column("code", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["job.id"], name="failure_job_id_fkey", ondelete="CASCADE"
        ),
    )
    op.create_index("failure_job", "failure", ["job_id", "chunk"])
    op.create_table(
        "chunk",
        sa.Column("job_id", types.Id(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("resource_type", sa.SmallInteger(), nullable=False),
        sa.Column("ids", types.PackedIds(), nullable=True),
        sa.Column("names", NAMES, nullable=True),
        sa.Column("span", DOCUMENT, nullable=True),
        sa.Column("targets", DOCUMENT, nullable=True),
        sa.Column("items", sa.BigInteger(), nullable=False),
        sa.Column("own_values", NAMES, nullable=True),
        sa.Column("origin", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["job_id"], ["job.id"], name="chunk_job_id_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "number", name="chunk_pkey"),
    )
    op.create_index(
        "chunk_open",
        "chunk",
        ["job_id", "number"],
        postgresql_where=sa.text("state = 'open'"),
        sqlite_where=sa.text("state = 'open'"),
    )
    op.create_index(
        "chunk_origin",
        "chunk",
        ["job_id", "origin"],
        postgresql_where=sa.text("origin IS NOT NULL"),
        sqlite_where=sa.text("origin IS NOT NULL"),
    )
    op.create_table(
        "part",
        sa.Column("job_id", types.Id(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("resource_type", sa.SmallInteger(), nullable=False),
        sa.Column("entries", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["job_id"], ["job.id"], name="part_job_id_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "number", "resource_type", name="part_pkey"),
    )
    if op.get_bind().dialect.name == "postgresql":
        # ids do not compress, and a piece of a value is read without the rest only where it is not
        op.execute("ALTER TABLE part ALTER entries SET STORAGE EXTERNAL")
        op.execute("ALTER TABLE chunk ALTER ids SET STORAGE EXTERNAL")
        op.execute("ALTER TABLE removal ALTER ids SET STORAGE EXTERNAL")


def _events() -> None:
    op.create_table(
        "attempt",
        sa.Column("task_id", sa.String(length=255), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("seen_at", types.Moment(), server_default=types.clock(), nullable=False),
        sa.PrimaryKeyConstraint("task_id", name="attempt_pkey"),
    )
    op.create_index("attempt_seen", "attempt", ["seen_at"])
    op.create_table(
        "feed",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("gone", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name="feed_pkey"),
    )
    op.create_table(
        "set_aside",
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("received_at", types.Moment(), server_default=types.clock(), nullable=False),
        sa.Column("task", sa.String(length=255), nullable=False),
        sa.Column("task_id", sa.String(length=255), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="set_aside_pkey"),
    )
    op.create_index("set_aside_received", "set_aside", ["received_at"])
    op.create_table(
        "outbox",
        sa.Column("job_id", types.Id(), nullable=False),
        sa.Column("end", sa.Integer(), nullable=False),
        sa.Column("tenant", sa.String(length=36), nullable=True),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("created_at", types.Moment(), server_default=types.clock(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.Column("published_at", types.Moment(), nullable=True),
        sa.Column("answered_at", types.Moment(), nullable=True),
        sa.ForeignKeyConstraint(
            ["job_id"], ["job.id"], name="outbox_job_id_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "end", name="outbox_pkey"),
        sa.UniqueConstraint("position", name="outbox_position_key"),
    )
    op.create_index(
        "outbox_waiting",
        "outbox",
        ["created_at"],
        postgresql_where=sa.text("published_at IS NULL OR answered_at IS NULL OR position IS NULL"),
        sqlite_where=sa.text("published_at IS NULL OR answered_at IS NULL OR position IS NULL"),
    )
    op.create_table(
        "reply",
        sa.Column("job_id", types.Id(), nullable=False),
        sa.Column("reply_to", sa.String(length=255), nullable=False),
        sa.Column("correlation_id", sa.String(length=255), nullable=False),
        sa.Column("times", sa.Integer(), server_default="1", nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["job.id"], name="reply_job_id_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "reply_to", "correlation_id", name="reply_pkey"),
    )
