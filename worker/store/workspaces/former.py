"""Tags of workspaces that a set has changed: each key gets its former value again, or goes.

``Chunk.values`` has for each workspace what its key has if nobody has changed it since, and what
it is to have: each a text, or null where the workspace has no such key.
"""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection

from tagsweep.worker.database.dialects import is_sqlite
from tagsweep.worker.database.statements import typed
from tagsweep.worker.models.records import Chunk, JobRecord, Outcome
from tagsweep.worker.models.tables import Id, Moment, workspace_tag_change
from tagsweep.worker.store.workspaces import single

_TYPES: dict[str, Any] = {"job_id": Id(), "accepted_at": Moment()}
_PAIRS = {
    "postgresql": """(
    SELECT name, pair ->> 0 AS is_now, pair ->> 1 AS before
    FROM unnest(CAST(:names AS text[]), CAST(:pairs AS json[])) AS listed (name, pair)
) AS item""",
    "sqlite": """(
    SELECT value ->> 0 AS name, value ->> 1 AS is_now, value ->> 2 AS before
    FROM json_each(:pairs)
) AS item""",
}
_UNCHANGED = """tag.tenant = :tenant AND tag.workspace_id = item.name AND tag.system = :system
    AND tag.key = :key AND tag.value = item.is_now AND tag.created_at <= :accepted_at"""
_TAKE = f"""
    DELETE FROM @workspace_tag AS tag WHERE EXISTS (
        SELECT 1 FROM {{pairs}} WHERE {_UNCHANGED} AND item.before IS NULL)
    RETURNING workspace_id, value
"""  # noqa: S608  # both texts are ours
_GIVE = f"""
    UPDATE @workspace_tag AS tag SET value = item.before, created_at = {{now}}
    FROM {{pairs}} WHERE {_UNCHANGED} AND item.before IS NOT NULL
    RETURNING workspace_id, value
"""  # noqa: S608  # the same
_PUT = """
    INSERT INTO @workspace_tag (tenant, workspace_id, key, value, system)
    SELECT :tenant, item.name, :key, item.before, :system FROM {pairs}
    WHERE item.is_now IS NULL AND item.before IS NOT NULL ORDER BY item.name
    ON CONFLICT DO NOTHING
    RETURNING workspace_id, value
"""
_COUNT = f"""
    SELECT count(*) FROM {{pairs}} LEFT JOIN @workspace_tag AS tag
        ON tag.tenant = :tenant AND tag.workspace_id = item.name AND tag.system = :system
        AND tag.key = :key
    WHERE ({_UNCHANGED}) OR (tag.key IS NULL AND item.is_now IS NULL)
"""  # noqa: S608  # the same
_NOW = {
    "postgresql": "clock_timestamp()",
    "sqlite": "strftime('%Y-%m-%d %H\\:%M\\:%f000', 'now')",
}
_RECORDED = f"""
WITH taken AS ({_TAKE}), given AS ({_GIVE}, item.is_now), new AS ({_PUT}), kept AS (
    INSERT INTO @workspace_removal
        (job_id, chunk, run, workspace_id, key, value, system, previous, gone)
    SELECT :job_id, :chunk, :run, workspace_id, :key, value, :system, previous, gone FROM (
        SELECT workspace_id, value, NULL AS previous, true AS gone FROM taken
        UNION ALL SELECT workspace_id, value, is_now, false FROM given
        UNION ALL SELECT workspace_id, value, NULL, false FROM new
    ) AS changed
    RETURNING 1
)
SELECT count(*) FROM kept
"""  # noqa: S608  # the same


def give_back(connection: Connection, job: JobRecord, chunk: Chunk) -> Outcome:
    """Give the chunk's workspaces what the key had before; record what was changed.

    A value set in the meantime stays. Each workspace fails that is to have the key again, and no
    longer exists. Raises StoreRefused.
    """
    known = single.known(connection, job, chunk)
    gone = [
        name
        for name, (is_now, before) in zip(chunk.names, map(json.loads, chunk.values), strict=True)
        if name not in known and is_now is None and before is not None
    ]
    changed = _change(connection, job, chunk, known) if known else 0
    return Outcome(changed, len(gone), single.failures(chunk, gone))


def count(connection: Connection, job: JobRecord, chunk: Chunk) -> int:
    """Return how many tags ``give_back`` would change."""
    known = single.known(connection, job, chunk)
    return int(_execute(connection, _COUNT, _values(connection, job, chunk, known)).scalar_one())


def _change(connection: Connection, job: JobRecord, chunk: Chunk, known: set[str]) -> int:
    values = _values(connection, job, chunk, known)
    if not is_sqlite(connection):
        return int(_execute(connection, _RECORDED, values).scalar_one())
    former = dict(zip(chunk.names, map(json.loads, chunk.values), strict=True))
    own = {name: values[name] for name in ("job_id", "chunk", "run", "key", "system")}
    rows = [
        {**own, "workspace_id": name, "value": value, "previous": previous, "gone": sql is _TAKE}
        for sql in (_TAKE, _GIVE, _PUT)
        for name, value in _execute(connection, sql, values).all()
        for previous in [former[name][0] if sql is _GIVE else None]
    ]
    if rows:
        connection.execute(workspace_tag_change.insert(), rows)
    return len(rows)


def _execute(connection: Connection, sql: str, values: dict[str, Any]) -> Any:
    dialect = connection.dialect.name
    statement = typed(sql.format(pairs=_PAIRS[dialect], now=_NOW[dialect]), _TYPES)
    return connection.execute(statement, values)


def _values(
    connection: Connection, job: JobRecord, chunk: Chunk, known: set[str]
) -> dict[str, Any]:
    values, pairs = single.of_chunk(job, chunk, known)
    if is_sqlite(connection):
        return {**values, "pairs": json.dumps([[name, *json.loads(pair)] for name, pair in pairs])}
    return {**values, "names": [name for name, _ in pairs], "pairs": [pair for _, pair in pairs]}
