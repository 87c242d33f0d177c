"""Jobs keep who asked for them, how long their lists are, and what of them matches nothing."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

DOCUMENT = sa.JSON(none_as_null=True)
_NEW = ("requested_by", "sizes", "warnings")


def upgrade() -> None:
    for name in _NEW:
        op.add_column("job", sa.Column(name, DOCUMENT, nullable=True))
    op.add_column("part", sa.Column("given", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("part", "given")
    for name in reversed(_NEW):
        op.drop_column("job", name)
