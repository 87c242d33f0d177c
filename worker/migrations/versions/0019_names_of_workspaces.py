"""A workspace may have a name, by which people find it."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("workspace", sa.Column("name", sa.String(255), nullable=True))


def downgrade() -> None:
    op.drop_column("workspace", "name")
