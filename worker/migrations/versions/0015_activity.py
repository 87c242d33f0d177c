"""The items that were done in each minute, and which workers there are."""

import sqlalchemy as sa
from alembic import op

from tagsweep.worker.models.tables import types

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "throughput",
        sa.Column("tenant", sa.String(36), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("minute", types.Moment(), nullable=False),
        sa.Column("items", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "minute", "kind", name="throughput_pkey"),
    )
    op.create_index("throughput_minute", "throughput", ["minute"])
    op.create_table(
        "heartbeat",
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("queues", sa.Text(), nullable=False),
        sa.Column("processes", sa.Integer(), nullable=False),
        sa.Column("started_at", types.Moment(), server_default=types.clock(), nullable=False),
        sa.Column("seen_at", types.Moment(), server_default=types.clock(), nullable=False),
        sa.Column("items", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("worked_at", types.Moment(), nullable=True),
        sa.Column("job_id", types.Id(), nullable=True),
        sa.PrimaryKeyConstraint("name", name="heartbeat_pkey"),
    )


def downgrade() -> None:
    op.drop_table("heartbeat")
    op.drop_table("throughput")
