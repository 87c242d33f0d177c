"""Keys have a name, an end, scopes, and may span tenants."""

import sqlalchemy as sa
from alembic import op

from tagsweep.worker.models.tables import types

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("credential", sa.Column("name", sa.String(length=100), nullable=True))
    scopes = sa.Column(
        "scopes",
        sa.String(length=60),
        server_default="read preview write undo approve",
        nullable=False,
    )
    op.add_column("credential", scopes)
    op.add_column(
        "credential", sa.Column("admin", sa.Boolean(), server_default="0", nullable=False)
    )
    op.add_column("credential", sa.Column("expires_at", types.Moment(), nullable=True))


def downgrade() -> None:
    for column in ("expires_at", "admin", "scopes", "name"):
        op.drop_column("credential", column)
