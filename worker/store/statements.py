"""The statements on links over any layout, and the record that they make of what they change."""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from sqlalchemy import Executable, TextClause

from tagsweep.worker.database.dialects import UNPACKED_IDS
from tagsweep.worker.database.statements import typed
from tagsweep.worker.models.records import Chunk
from tagsweep.worker.store.layout import Layout

#: up to so many items, a whole job takes less time than planning its statements anew
MOST_PLANNED_ONCE = 100

# The server itself writes down which links were changed: the ids never travel back.
_RECORDED = """
WITH changed AS ({changing})
INSERT INTO @removal (job_id, chunk, run, tag_id, resource_type, ids)
SELECT :job_id, :chunk, :run, {tag}, :resource_type, array_agg(resource_id ORDER BY resource_id)
FROM changed {each}
RETURNING cardinality(ids)
"""
_EACH_TAG = {"tag": "tag_id", "each": "GROUP BY tag_id"}
_ONE_TAG = {"tag": ":tag", "each": "HAVING count(*) > 0"}  # nothing to sort by tag

# Of a mapped table there may be several rows for a tag and a resource, and more to record.
_RECORDED_MAPPED = """
WITH changed AS ({changing}), single AS (
    SELECT tag_id, resource_id, count(*) AS lines{gathered} FROM changed GROUP BY 1, 2
), noted AS (
    INSERT INTO @removal (job_id, chunk, run, resource_type, tag_id, ids{columns})
    SELECT :job_id, :chunk, :run, :resource_type, tag_id,
           array_agg(resource_id ORDER BY resource_id){values}
    FROM single GROUP BY tag_id
    RETURNING tag_id, cardinality(ids) AS items
)
SELECT items, tag_id, (SELECT sum(lines) FROM single WHERE single.tag_id = noted.tag_id) AS lines
FROM noted
"""
#: what is recorded of links that were changed in each of these ways
NOTED = {
    "removed": {
        "gathered": ", string_agg(kept, chr(10)) AS kept",
        "columns": ", kept",
        "values": ", array_agg(kept ORDER BY resource_id)",
    },
    "added": {"gathered": "", "columns": "", "values": ""},
    "restored": {
        "gathered": "",
        "columns": ", restored, restored_at",
        "values": ", :place, clock_timestamp()",
    },
}
_SPECIAL = re.compile(r"[:@\\]")
_COUNTER = """
WITH moved AS (
    SELECT * FROM unnest(:tags, CAST(:lines AS bigint[])) AS moved (id, lines)
), held AS (
    SELECT {id} AS id FROM {tags} WHERE {id} = ANY (:tags) ORDER BY {id} FOR NO KEY UPDATE
)
UPDATE {tags} AS tag SET {counter} = coalesce(tag.{counter}, 0) {sign} moved.lines
FROM moved JOIN held ON held.id = moved.id WHERE tag.{id} = moved.id
"""


class PerDialect(NamedTuple):
    """A statement on the links of some tags; SQLite, without arrays, executes it for each tag."""

    postgresql: Executable  #: on all of ``:tags``, or on the one ``:tag``
    sqlite: Executable  #: on one ``:tag``
    few: Executable | None = None  #: on PostgreSQL, where another one is better for few items

    def on_postgresql(self, chunk: Chunk) -> Executable:
        """Return the statement on PostgreSQL for as many items as the chunk has."""
        if self.few is None or chunk.items > MOST_PLANNED_ONCE:
            return self.postgresql
        return self.few


def over(at: Layout, sql: str, **parts: str) -> TextClause:
    """Return ``sql`` over the tables ``at``, which knows the types of its bind parameters.

    ``{listed}`` in it are the ids of a chunk on SQLite.
    """
    return typed(at.write(sql, **{"listed": UNPACKED_IDS, **parts}), at.types)


def recorded(
    at: Layout, changing: str, *, how: str = "removed", one_tag: bool = False, **parts: str
) -> TextClause:
    """Return the statement ``changing``, which returns tag_id and resource_id, with its record.

    It returns how many links of each tag were changed, or of the ``one_tag`` that it names; of
    mapped tables also the tag and how many rows. ``how``: removed, added or restored. PostgreSQL
    only.
    """
    written = at.write(changing, **parts)
    if at.mapped:
        return over(at, _RECORDED_MAPPED, changing=written, **NOTED[how])
    grouping = _ONE_TAG if one_tag else _EACH_TAG
    return over(at, _RECORDED, changing=written, **grouping)


def quoted(*names: str) -> str:
    """Return names as SQL identifiers, joined by dots."""
    return ".".join(map(_quoted, names))


def _quoted(name: str) -> str:
    escaped = name.replace('"', '""')
    if not _SPECIAL.search(name):
        return f'"{escaped}"'
    # what our statements would take for a parameter, or a table
    escaped = _SPECIAL.sub(lambda found: f"\\{ord(found[0]):04X}", escaped)
    return f'U&"{escaped}"'


def as_text(column: str, type_: str) -> str:
    """Return the SQL of a value as its type writes it, which a cast to text may not do.

    That takes blanks off bpchar; of a type of the operator's own it may be any function.
    """
    if type_ == "bpchar" or "." in type_:
        return f"CASE WHEN {column} IS DISTINCT FROM NULL THEN format('%s', {column}) END"
    return f"CAST({column} AS text)"


@cache
def counting(at: Layout, sign: str) -> TextClause:
    """Return the statement that moves the counters of ``:tags`` by as many ``:lines``."""
    return over(at, _COUNTER, sign=sign, tags=at.tags, id=at.tags_id, counter=at.counter or "")
