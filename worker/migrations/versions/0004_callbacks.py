"""What callers hang on a job's end: Celery's callbacks, chains and chords."""

import sqlalchemy as sa
from alembic import op

from tagsweep.worker.models.tables import types

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "callback",
        sa.Column("job_id", types.Id(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("hung", sa.Text(), nullable=False),
        sa.Column("carried_out_at", types.Moment(), nullable=True),
        sa.ForeignKeyConstraint(
            ["job_id"], ["job.id"], name="callback_job_id_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "digest", name="callback_pkey"),
    )


def downgrade() -> None:
    op.drop_table("callback")
