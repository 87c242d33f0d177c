"""Jobs keep which credential asked for them: another may have to run what it has previewed."""

import sqlalchemy as sa
from alembic import op

from tagsweep.worker.models.tables import types

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("job", sa.Column("credential", types.Id(), nullable=True))


def downgrade() -> None:
    op.drop_column("job", "credential")
