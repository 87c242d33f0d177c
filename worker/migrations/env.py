"""Run the migrations on the connection, and in the transaction, that ``database.schema`` opened."""

from alembic import context

from tagsweep.worker.database.location import VERSIONS
from tagsweep.worker.models.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSIONS,
    transactional_ddl=False,  # the caller's transaction is around all of them
)
context.run_migrations()
