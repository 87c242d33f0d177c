"""A merge counts apart the items whose resource had the other tag already."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    present = sa.Column("present", sa.BigInteger, nullable=False, server_default="0")
    op.add_column("job", present)


def downgrade() -> None:
    op.drop_column("job", "present")
