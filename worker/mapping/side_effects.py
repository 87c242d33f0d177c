"""What the database does by itself when links change: foreign keys, triggers, rules, row security.

A job cannot see that, and an undo cannot revert it, so ``map check`` has to tell.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, text

from tagsweep.worker.mapping.finding import Finding
from tagsweep.worker.models.mapped import Resource

# a partition's copy of a foreign key has a parent
_REFERENCES = text(r"""
    SELECT CAST(CAST(conrelid AS regclass) AS text) AS table, quote_ident(conname) AS name,
           CAST(confdeltype AS text) AS on_delete,
           regexp_replace(pg_get_constraintdef(oid),
               'ON DELETE (CASCADE|SET (NULL|DEFAULT)( \([^)]*\))?)', 'ON DELETE RESTRICT'
           ) AS restricting
    FROM pg_constraint
    WHERE confrelid = to_regclass(:table) AND contype = 'f' AND conparentid = 0
    ORDER BY 1, 2
""")
# of tgtype: 1 is FOR EACH ROW, 2 BEFORE, 4 INSERT, 8 DELETE, 16 UPDATE, of any column if tgattr
# names none; enabled O and A is for any client
_TRIGGERS = text(r"""
    SELECT tgname AS name, tgtype & 1 > 0 AS of_rows, tgtype & 7 = 7 AS rewrites,
           tgtype & 4 > 0 AS added, tgtype & 8 > 0 AS removed, moved.is_heard AS moved,
           prosrc ~ ('\m' || CAST(:counter AS text) || '\M') AS counts
    FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid
    CROSS JOIN LATERAL (
        SELECT tgtype & 16 > 0 AND (CAST(tgattr AS text) = '' OR EXISTS (
            SELECT FROM pg_attribute
            WHERE attrelid = tgrelid AND attname = :tag AND attnum = ANY (tgattr)
        )) AS is_heard
    ) AS moved
    WHERE tgrelid = to_regclass(:table) AND NOT tgisinternal AND tgenabled IN ('O', 'A')
      AND (tgtype & 12 > 0 OR moved.is_heard)
    ORDER BY 1
""")
_RULES = text("""
    SELECT rulename AS name, quote_ident(rulename) AS quoted FROM pg_rewrite
    WHERE ev_class = to_regclass(:table) AND ev_type IN ('2', '3', '4') AND ev_enabled IN ('O', 'A')
    ORDER BY 1
""")
_SECURED = text("""
    SELECT row_security_active(CAST(to_regclass(:table) AS oid)) AS is_active,
           quote_ident(current_user) AS role
""")


def of_tables(connection: Connection, one: Resource, links: str, tags: str) -> Iterator[Finding]:
    """Yield what the database does when links of some resources change."""
    yield from _references(connection, one, links)
    yield from _triggers(connection, one, links)
    for rule in connection.execute(_RULES, {"table": links}):
        yield Finding(
            one.name,
            f"rule {rule.name} rewrites statements on {links}: jobs may fail, or change other rows "
            "than they record.",
            f"DROP RULE {rule.quoted} ON {links};  -- a trigger can do the same",
            is_wrong=True,
        )
    for table in (links, tags):
        row = connection.execute(_SECURED, {"table": table}).one()
        if row.is_active:
            yield Finding(
                one.name,
                f"row security of {table} applies to this role: jobs see and change only the rows "
                "that its policies allow, and count no others.",
                f"ALTER ROLE {row.role} BYPASSRLS;",
            )


def _references(connection: Connection, one: Resource, links: str) -> Iterator[Finding]:
    for row in connection.execute(_REFERENCES, {"table": links}):
        if row.on_delete in ("a", "r"):
            yield Finding(
                one.name, f"a link that rows of {row.table} refer to cannot be removed: it fails."
            )
            continue
        change = "are deleted" if row.on_delete == "c" else "lose that reference"
        yield Finding(
            one.name,
            f"rows of {row.table} refer to links, and {change} when the link goes: no undo brings "
            "that back.",
            f"ALTER TABLE {row.table} DROP CONSTRAINT {row.name}, "
            f"ADD CONSTRAINT {row.name} {row.restricting};  -- such links then stay",
        )


def _triggers(connection: Connection, one: Resource, links: str) -> Iterator[Finding]:
    counter = one.tags.counter
    values = {"table": links, "counter": counter, "tag": one.tag}
    for row in connection.execute(_TRIGGERS, values):
        each = "link that is" if row.of_rows else "statement by which links are"
        changes = [name for name in ("added", "removed", "moved") if getattr(row, name)]
        what = f"trigger {row.name} fires for each {each} {' or '.join(changes)}."
        if not row.moved:
            what += " A merge moves links by UPDATE, for which it does not fire."
        mend = f"if it keeps {counter}, leave counter out of the map" if counter else None
        if row.rewrites:
            what += " It may change a row that an undo puts back."
            mend = "let it fill only columns that are NULL: then such a row stays as it was"
        if row.counts:
            what += f" Its function names {counter}: if it keeps it, each link is counted twice."
            mend = "leave counter out of the map, if the trigger keeps it"
        yield Finding(one.name, what, mend, is_wrong=bool(row.counts))
