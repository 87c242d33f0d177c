"""The console: sessions, one-time links to sign in, and the order in which it lists jobs."""

import sqlalchemy as sa
from alembic import op

from tagsweep.worker.models.tables import types

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("console_session", "sign_in_link"):
        op.create_table(
            name,
            sa.Column("token_hash", sa.LargeBinary(32), nullable=False),
            sa.Column("credential_id", types.Id(), nullable=False),
            sa.Column("created_at", types.Moment(), server_default=types.clock(), nullable=False),
            sa.Column("seen_at", types.Moment(), server_default=types.clock(), nullable=False),
            sa.PrimaryKeyConstraint("token_hash", name=f"{name}_pkey"),
            sa.ForeignKeyConstraint(
                ["credential_id"],
                ["credential.id"],
                name=f"{name}_credential_id_fkey",
                ondelete="CASCADE",
            ),
        )
    op.create_index("job_accepted", "job", ["accepted_at"])
    undone = sa.text("kind = 'undo'")
    op.create_index(
        "job_undo",
        "job",
        ["tenant", "accepted_at"],
        postgresql_where=undone,
        sqlite_where=undone,
    )


def downgrade() -> None:
    op.drop_index("job_undo", table_name="job")
    op.drop_index("job_accepted", table_name="job")
    op.drop_table("sign_in_link")
    op.drop_table("console_session")
