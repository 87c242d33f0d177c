"""Of a tag that is set the former value is recorded; and, of the undo of that, whether it went."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("workspace_removal", sa.Column("previous", sa.Text(), nullable=True))
    gone: sa.Column[bool] = sa.Column(
        "gone", sa.Boolean(), server_default=sa.false(), nullable=False
    )
    op.add_column("workspace_removal", gone)


def downgrade() -> None:
    op.drop_column("workspace_removal", "gone")
    op.drop_column("workspace_removal", "previous")
