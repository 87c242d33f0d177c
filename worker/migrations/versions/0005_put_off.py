"""What the store refuses is put off: why, how often, and till when."""

import sqlalchemy as sa
from alembic import op

from tagsweep.worker.models.tables import types

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("job", "chunk"):
        op.add_column(table, sa.Column("waiting", sa.Text(), nullable=True))
        tries = sa.Column("tries", sa.Integer(), server_default="0", nullable=False)
        op.add_column(table, tries)
        op.add_column(table, sa.Column("retry_at", types.Moment(), nullable=True))
    pieces = sa.Column("pieces", sa.Integer(), server_default="1", nullable=False)
    op.add_column("chunk", pieces)


def downgrade() -> None:
    op.drop_column("chunk", "pieces")
    for table in ("job", "chunk"):
        for column in ("retry_at", "tries", "waiting"):
            op.drop_column(table, column)
