"""Jobs on tables of the operator's own: what the map said, and the rest of the removed rows."""

import sqlalchemy as sa
from alembic import op

from tagsweep.worker.models.tables import columns, types

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

RESTORED = sa.text("restored IS NOT NULL")


def upgrade() -> None:
    op.add_column("job", sa.Column("mapped", columns.Document, nullable=True))
    op.add_column("removal", sa.Column("kept", columns.Names, nullable=True))
    op.add_column("removal", sa.Column("restored", types.Id(), nullable=True))
    op.add_column("removal", sa.Column("restored_at", types.Moment(), nullable=True))
    op.create_index(
        "removal_restored",
        "removal",
        ["restored", "restored_at"],
        postgresql_where=RESTORED,
        sqlite_where=RESTORED,
    )


def downgrade() -> None:
    op.drop_index("removal_restored", "removal")
    for column in ("restored_at", "restored", "kept"):
        op.drop_column("removal", column)
    op.drop_column("job", "mapped")
