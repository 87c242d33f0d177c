"""What the feed needs to outlive a failover that loses positions."""

import sqlalchemy as sa
from alembic import op

from tagsweep.worker.models.tables import types

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("feed", sa.Column("timeline", sa.Text(), nullable=True))
    op.create_table(
        "failover",
        sa.Column("resumed_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("after", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", types.Moment(), server_default=types.clock(), nullable=False),
        sa.PrimaryKeyConstraint("resumed_at", name="failover_pkey"),
    )


def downgrade() -> None:
    op.drop_table("failover")
    op.drop_column("feed", "timeline")
