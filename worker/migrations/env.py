"""Run the migrations on the connection, and in the transaction, that ``worker.schema`` opened."""

from alembic import context

from worker.location import VERSIONS
from worker.models.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSIONS,
    transactional_ddl=False,  # the caller's transaction is around all of them
)
context.run_migrations()
