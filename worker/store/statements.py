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
INSERT INTO @removal (job_id, chunk, run, tag_id, resource_type, ids{columns})
SELECT :job_id, :chunk, :run, {tag}, :resource_type, {ids}{values}
FROM {source} {each}
RETURNING cardinality(ids) AS items{moved}
"""
_MOVED = ", tag_id, cardinality(ids) AS lines"
_UNSORTED = {"ids": "array_agg(resource_id ORDER BY resource_id)", "source": "changed"}
# of two aggregates each would sort the rows itself
_SORTED = {
    "ids": "array_agg(resource_id)",
    "values": ", array_agg(kept)",
    "source": "(SELECT * FROM changed ORDER BY {order}) AS sorted",
}

# Of a mapped table there may be several rows for a tag and a resource.
_RECORDED_ROWS = """
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
# in the order of the tags, so that two chunks never deadlock
_COUNTER = """
WITH moved AS (
    SELECT * FROM unnest(:tags, CAST(:lines AS bigint[])) AS moved (id, lines)
), held AS (
    SELECT {id} AS id FROM {tags} WHERE {id} = ANY (:tags) ORDER BY {id} FOR NO KEY UPDATE
)
UPDATE {tags} AS tag SET {counter} = coalesce(tag.{counter}, 0) + moved.lines
FROM moved JOIN held ON held.id = moved.id WHERE tag.{id} = moved.id
"""


class PerDialect(NamedTuple):
    """A statement on the links of some tags; SQLite, without arrays, executes it for each tag."""

    postgresql: Executable  #: on all of ``:tags``, or on the one ``:tag``
    sqlite: Executable  #: on one ``:tag``
    few: Executable | None = None  #: on PostgreSQL, where another one is better for few items
    adds: bool = False  #: whether it adds links

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
    """Return the statement ``changing``, which ends with ``returning``, with its record.

    It returns how many links of each tag were changed, or of the ``one_tag`` that it names; if tags
    have counters also the tag and how many rows. ``how``: removed, added or restored. PostgreSQL
    only.
    """
    how = how if at.mapped else "added"  # of a link of ours its ids are all
    more = {"changing": at.write(changing, **parts), **NOTED[how]}
    if not at.single:
        return over(at, _RECORDED_ROWS, **more)
    more |= _SORTED if how == "removed" else _UNSORTED
    if one_tag:
        more |= {"tag": at.this_tag, "order": "resource_id", "each": "HAVING count(*) > 0"}
    else:
        more |= {"tag": "tag_id", "order": "tag_id, resource_id", "each": "GROUP BY tag_id"}
    more["source"] = more["source"].format(**more)
    return over(at, _RECORDED, moved=_MOVED if at.counter else "", **more)


def returning(at: Layout, *, one_tag: bool = False, removed: bool = False) -> str:
    """Return the end of a statement that changes links: what is recorded of them.

    ``one_tag``: the only one that it is about need not be told of each.
    """
    if not (one_tag and at.single):
        return f"RETURNING {at.removed if removed else at.returned}"
    kept = f", {at.kept} AS kept" if removed and at.kept else ""
    return f"RETURNING {at.returned_resource}{kept}"


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
def counting(at: Layout) -> TextClause:
    """Return the statement that moves the counters of ``:tags`` by as many ``:lines``."""
    return over(at, _COUNTER, tags=at.tags, id=at.tags_id, counter=at.counter or "")
