"""The undo of a set, or of a merge, has their words: which of them it reverts is noted."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("job", sa.Column("reverts", sa.String(16), nullable=True))


def downgrade() -> None:
    op.drop_column("job", "reverts")
