"""Move a store that an older version created, often among other tables, to its own schema."""

from __future__ import annotations

from sqlalchemy import Connection

from tagsweep.worker.database.location import VERSIONS
from tagsweep.worker.errors import SchemaMismatch
from tagsweep.worker.models.tables import metadata
from tagsweep.worker.models.tables.audit import GUARD

CONNECTED = (
    "Nothing was moved, because sessions of tagsweep are connected ({sessions}): stop workers, "
    "gateways and commands first."
)
CHANGED = "Nothing was moved: table {table} in schema {schema} lacks {columns}, so it is not ours."
NOT_OWNER = "Nothing was moved: run this as the owner of the tables in schema {schema} ({owners})."

# every role sees the name of a session, also one that the URL chose
_SESSIONS = """
SELECT pid, usename FROM pg_catalog.pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
  AND application_name IN ('tagsweep', current_setting('application_name'))
ORDER BY pid
"""
_COLUMNS = """
SELECT one.relname, array_agg(part.attname::text) AS columns,
       pg_has_role(one.relowner, 'USAGE') AS owned, pg_get_userbyid(one.relowner) AS owner
FROM pg_catalog.pg_class AS one
JOIN pg_catalog.pg_namespace AS space ON space.oid = one.relnamespace
JOIN pg_catalog.pg_attribute AS part ON part.attrelid = one.oid
WHERE space.nspname = %(schema)s AND one.relkind IN ('r', 'p')
  AND part.attnum > 0 AND NOT part.attisdropped
GROUP BY one.oid
"""
_PARTITIONS = """
SELECT space.nspname, one.relname FROM pg_catalog.pg_partition_tree(%(table)s) AS tree
JOIN pg_catalog.pg_class AS one ON one.oid = tree.relid
JOIN pg_catalog.pg_namespace AS space ON space.oid = one.relnamespace
WHERE tree.level > 0 AND space.nspname = %(schema)s
"""
# wherever it is, its triggers find it: another role's stays where it is
_FUNCTIONS = f"""
SELECT one.proname FROM pg_catalog.pg_proc AS one
JOIN pg_catalog.pg_namespace AS space ON space.oid = one.pronamespace
WHERE space.nspname = %(schema)s AND one.proname = '{GUARD}'
  AND pg_has_role(one.proowner, 'USAGE')
"""  # noqa: S608  # a name of ours
# the roles that may use the tables need access to the schema
_ROLES = """
SELECT DISTINCT CASE granted.grantee WHEN 0 THEN 'PUBLIC'
                ELSE quote_ident(pg_get_userbyid(granted.grantee)) END
FROM pg_catalog.pg_class AS one
JOIN pg_catalog.pg_namespace AS space ON space.oid = one.relnamespace
CROSS JOIN LATERAL aclexplode(one.relacl) AS granted
WHERE space.nspname = %(schema)s AND granted.grantee <> one.relowner
"""


def check(connection: Connection) -> None:
    """Raise SchemaMismatch if sessions of tagsweep are connected, under any role."""
    sessions = connection.exec_driver_sql(_SESSIONS).all()
    if sessions:
        shown = ", ".join(f"process {row.pid} of role {row.usename}" for row in sessions[:5])
        raise SchemaMismatch(CONNECTED.format(sessions=shown))


def move(connection: Connection, schema: str, own: str) -> None:
    """Move our tables, of the newest revision, from ``schema`` to ``own``, which exists.

    Indexes, constraints, the partitions in the same schema and a trigger's function move with them.
    Raises SchemaMismatch, before anything is moved, if a table is not as we created it, or if this
    role does not own it.
    """
    _prove(connection, schema)
    for table in (*(ours.name for ours in metadata.sorted_tables), VERSIONS):
        names = {"table": f'"{schema}".{table}', "schema": schema}
        for space, part in connection.exec_driver_sql(_PARTITIONS, names).all():
            _set(connection, f'"{space}"."{part}"', own)
        _set(connection, names["table"], own)
    for (function,) in connection.exec_driver_sql(_FUNCTIONS, {"schema": schema}).all():
        connection.exec_driver_sql(f'ALTER FUNCTION "{schema}".{function}() SET SCHEMA "{own}"')
    for (role,) in connection.exec_driver_sql(_ROLES, {"schema": own}).all():
        connection.exec_driver_sql(f'GRANT USAGE ON SCHEMA "{own}" TO {role}')


def _set(connection: Connection, table: str, own: str) -> None:
    connection.exec_driver_sql(f'ALTER TABLE {table} SET SCHEMA "{own}"')


def _prove(connection: Connection, schema: str) -> None:
    rows = connection.exec_driver_sql(_COLUMNS, {"schema": schema}).all()
    existing = {row.relname: row for row in rows}
    for table in metadata.sorted_tables:
        row = existing.get(table.name)
        missing = {column.name for column in table.columns} - set(row.columns if row else ())
        if missing:
            columns = ", ".join(sorted(missing))
            raise SchemaMismatch(CHANGED.format(table=table.name, schema=schema, columns=columns))
    ours = [existing[table.name] for table in metadata.sorted_tables]
    if owners := {row.owner for row in ours if not row.owned}:
        raise SchemaMismatch(NOT_OWNER.format(schema=schema, owners=", ".join(sorted(owners))))
