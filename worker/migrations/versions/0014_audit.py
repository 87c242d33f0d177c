"""The audit trail: what people have done, which nobody can change, or delete before its time."""

import sqlalchemy as sa
from alembic import op

from tagsweep.worker.models.tables import types

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_TRIGGERS = {
    "postgresql": (
        """
        CREATE FUNCTION audit_entry_guard() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP = 'DELETE' THEN
                IF OLD.expires_at <= clock_timestamp() THEN
                    RETURN OLD;
                END IF;
            END IF;
            RAISE EXCEPTION 'audit_entry keeps what is written until it expires'
                USING ERRCODE = 'insufficient_privilege';
        END $$
        """,
        """
        CREATE TRIGGER audit_entry_row BEFORE UPDATE OR DELETE ON audit_entry
            FOR EACH ROW EXECUTE FUNCTION audit_entry_guard()
        """,
        """
        CREATE TRIGGER audit_entry_table BEFORE TRUNCATE ON audit_entry
            FOR EACH STATEMENT EXECUTE FUNCTION audit_entry_guard()
        """,
    ),
    "sqlite": (
        """
        CREATE TRIGGER audit_entry_update BEFORE UPDATE ON audit_entry
        BEGIN
            SELECT RAISE(ABORT, 'audit_entry keeps what is written until it expires');
        END
        """,
        """
        CREATE TRIGGER audit_entry_delete BEFORE DELETE ON audit_entry
        WHEN OLD.expires_at > strftime('%Y-%m-%d %H:%M:%f000', 'now')
        BEGIN
            SELECT RAISE(ABORT, 'audit_entry keeps what is written until it expires');
        END
        """,
    ),
}


def upgrade() -> None:
    op.create_table(
        "audit_entry",
        sa.Column("id", types.Id(), server_default=types.random_id(), nullable=False),
        sa.Column("at", types.Moment(), server_default=types.clock(), nullable=False),
        sa.Column("expires_at", types.Moment(), nullable=False),
        sa.Column("action", sa.String(40), nullable=False),
        sa.Column("tenant", sa.String(36), nullable=True),
        sa.Column("requested_by", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("credential", types.Id(), nullable=True),
        sa.Column("job_id", types.Id(), nullable=True),
        sa.Column("kind", sa.String(16), nullable=True),
        sa.Column("target", sa.Text(), nullable=True),
        sa.Column("details", sa.JSON(none_as_null=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="audit_entry_pkey"),
    )
    op.create_index("audit_entry_at", "audit_entry", ["at", "id"])
    op.create_index("audit_entry_tenant", "audit_entry", ["tenant", "at", "id"])
    of_a_job = sa.text("job_id IS NOT NULL")
    op.create_index(
        "audit_entry_job",
        "audit_entry",
        ["job_id", "at"],
        postgresql_where=of_a_job,
        sqlite_where=of_a_job,
    )
    op.create_index("audit_entry_expires", "audit_entry", ["expires_at"])
    for statement in _TRIGGERS[op.get_bind().dialect.name]:
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("audit_entry")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION audit_entry_guard()")
