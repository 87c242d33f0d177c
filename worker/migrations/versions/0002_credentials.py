"""What the gateway needs: credentials, chunk times, and the feed of one tenant in order."""

import sqlalchemy as sa
from alembic import op

from tagsweep.worker.models.tables import types

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "credential",
        sa.Column("id", types.Id(), nullable=False),
        sa.Column("tenant", sa.String(length=36), nullable=False),
        sa.Column("prefix", sa.String(length=12), nullable=False),
        sa.Column("key_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("operator", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("access_key", sa.String(length=20), nullable=True),
        sa.Column("sealed_secret", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", types.Moment(), server_default=types.clock(), nullable=False),
        sa.Column("revoked_at", types.Moment(), nullable=True),
        sa.Column("last_used_at", types.Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="credential_pkey"),
        sa.UniqueConstraint("prefix", name="credential_prefix_key"),
        sa.UniqueConstraint("access_key", name="credential_access_key_key"),
    )
    op.create_table(
        "chunk_time",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("bucket", sa.Integer(), nullable=False),
        sa.Column("chunks", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("seconds", sa.Float(precision=53), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("kind", "bucket", name="chunk_time_pkey"),
    )
    op.create_index("outbox_tenant", "outbox", ["tenant", "position"])


def downgrade() -> None:
    op.drop_index("outbox_tenant", "outbox")
    op.drop_table("chunk_time")
    op.drop_table("credential")
