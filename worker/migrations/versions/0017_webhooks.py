"""Webhooks: where events are sent, and their deliveries."""

import sqlalchemy as sa
from alembic import op

from tagsweep.worker.models.tables import types
from tagsweep.worker.models.tables.columns import Document

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def _index(name: str, table: str, columns: list[str], only: str, *, unique: bool = False) -> None:
    where = sa.text(only)
    op.create_index(name, table, columns, unique=unique, postgresql_where=where, sqlite_where=where)


def upgrade() -> None:
    op.create_table(
        "webhook",
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("tenant", sa.String(36), nullable=False),
        sa.Column("origin", sa.String(9), nullable=False),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("kinds", Document, nullable=True),
        sa.Column("statuses", Document, nullable=True),
        sa.Column("sealed_secret", sa.LargeBinary(), nullable=True),
        sa.Column("sealed_previous", sa.LargeBinary(), nullable=True),
        sa.Column("previous_until", types.Moment(), nullable=True),
        sa.Column("position", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_at", types.Moment(), server_default=types.clock(), nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failing_since", types.Moment(), nullable=True),
        sa.Column("probe_at", types.Moment(), nullable=True),
        sa.Column("off_at", types.Moment(), nullable=True),
        sa.Column("off_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="webhook_pkey"),
    )
    op.create_index("webhook_tenant", "webhook", ["tenant"])
    _index("webhook_callbacks", "webhook", ["tenant"], "origin = 'callbacks'", unique=True)
    _index("webhook_callback", "webhook", ["tenant", "url"], "origin = 'callback'", unique=True)
    op.create_table(
        "webhook_delivery",
        sa.Column("webhook_id", types.Id(), nullable=False),
        sa.Column("event_id", sa.String(64), nullable=False),
        sa.Column("job_id", types.Id(), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("state", sa.String(9), server_default="waiting", nullable=False),
        sa.Column("tries", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("due_at", types.Moment(), server_default=types.clock(), nullable=False),
        sa.Column("created_at", types.Moment(), server_default=types.clock(), nullable=False),
        sa.Column("delivered_at", types.Moment(), nullable=True),
        sa.Column("attempts", Document, server_default="[]", nullable=False),
        sa.PrimaryKeyConstraint("webhook_id", "event_id", name="webhook_delivery_pkey"),
        sa.ForeignKeyConstraint(
            ["webhook_id"],
            ["webhook.id"],
            name="webhook_delivery_webhook_id_fkey",
            ondelete="CASCADE",
        ),
    )
    due = ["webhook_id", "due_at"]
    _index("webhook_delivery_due", "webhook_delivery", due, "state = 'waiting'")
    listed = ["webhook_id", "created_at", "event_id"]
    op.create_index("webhook_delivery_listed", "webhook_delivery", listed)
    op.create_index("webhook_delivery_created", "webhook_delivery", ["created_at"])
    op.execute("INSERT INTO lease (name) VALUES ('webhooks')")


def downgrade() -> None:
    op.execute("DELETE FROM lease WHERE name = 'webhooks'")
    op.drop_table("webhook_delivery")
    op.drop_table("webhook")
