"""Leases: what one worker at a time does."""

import sqlalchemy as sa
from alembic import op

from tagsweep.worker.models.tables import types

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "lease",
        sa.Column("name", sa.String(16), nullable=False),
        sa.Column("holder", sa.String(36), nullable=True),
        sa.Column("until", types.Moment(), server_default=types.clock(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="lease_pkey"),
    )
    op.execute("INSERT INTO lease (name) VALUES ('recovery'), ('next')")


def downgrade() -> None:
    op.drop_table("lease")
