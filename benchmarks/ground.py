"""The store that is measured on: built once as a template, copied for every run."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
from psycopg import sql

from benchmarks import processes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.servers import Postgres

TENANT = "bench"
#: the list of the contract in which all ids stand, and its number
LIST, LIST_NUMBER = "destinations", 3

#: tag -> how many links it has and a sum over their ids: what is there, in any order
Fingerprint = dict[str, tuple[int, int]]

_FINGERPRINT = """
SELECT tag.name, count(*), sum(uuid_hash_extended(link.resource_id, link.resource_type))
FROM tagsweep.tag_link AS link JOIN tagsweep.tag ON tag.id = link.tag_id GROUP BY tag.name
"""
# In random order: neighbours in the index are nowhere near each other in the heap.
_FILL = """
INSERT INTO tagsweep.tag_link (tag_id, resource_type, resource_id, created_at)
SELECT tag.id, %s, resource.id, now()
FROM span JOIN tagsweep.tag USING (name) JOIN resource ON resource.n >= low AND resource.n < high
ORDER BY random()
"""


@dataclass(frozen=True)
class Layout:
    """Which tags stand on which of the resources, these numbered from 0.

    Args:
        resources: How many there are.
        spans: Tag -> first resource that carries it, and the first behind that does not.
    """

    name: str
    resources: int
    spans: Mapping[str, tuple[int, int]]

    @property
    def links(self) -> int:
        """How many links that makes."""
        return sum(high - low for low, high in self.spans.values())


def wide(links: int) -> Layout:
    """Return one tag on a fifth of ``links``, ten on a fiftieth each, and thirty that fill up."""
    resources, tenth = links // 5, links // 50
    spans = {"one": (0, resources)}
    spans |= {f"ten-{at}": (0, tenth) for at in range(10)}
    spans |= {f"other-{at}": (at % 10 * tenth, (at % 10 + 1) * tenth) for at in range(30)}
    return Layout("wide", resources, spans)


def tall(ids: int) -> Layout:
    """Return one tag on ``ids`` resources, two on a fiftieth, and as many links again in all."""
    few = ids // 50
    spans = {"many": (0, ids), "few": (0, few), "small": (0, max(few, min(ids, 20_000)))}
    spans |= {f"other-{at}": (at * few, (at + 1) * few) for at in range(2, ids // few)}
    return Layout("tall", ids, spans)


def stepped(links: int) -> Layout:
    """Return tags on a fiftieth, a twelfth and a fifth of ``links``, and others that fill up."""
    resources = links // 5
    spans = {"short": (0, links // 50), "middle": (0, links // 12), "long": (0, resources)}
    left = links - sum(high for _, high in spans.values())
    spans |= {f"other-{at}": (0, resources) for at in range(left // resources)}
    return Layout("stepped", resources, spans)


class Ground:
    """A template of one layout on one server."""

    def __init__(self, postgres: Postgres, layout: Layout) -> None:
        self.layout = layout
        self._postgres = postgres
        self._url = postgres.create_database()
        processes.finish(["-m", "tagsweep.producer.cli", "migrate"], database_url=self._url)
        self._fill()
        with psycopg.connect(self._url) as connection:
            self.fingerprint = fingerprint(connection)
            found = connection.execute("SELECT name, id::text FROM tagsweep.tag").fetchall()
        self.tags: dict[str, str] = dict(found)

    def write_ids(self, tag: str, path: Path) -> None:
        """Write the ids of a tag's resources in random order, packed as 16 bytes each."""
        query = """SELECT string_agg(uuid_send(resource_id), '' ORDER BY md5(resource_id::text))
                   FROM tagsweep.tag_link WHERE tag_id = %s"""
        with psycopg.connect(self._url) as connection:
            row = connection.execute(query, (self.tags[tag],)).fetchone()
        path.write_bytes(row[0] if row and row[0] else b"")

    @contextmanager
    def copy(self) -> Iterator[str]:
        """Give the URL of a copy, the very same bytes each time; it goes at the end."""
        name = f"run_{uuid4().hex}"
        template = urlsplit(self._url).path.removeprefix("/")
        how = "TEMPLATE {} STRATEGY FILE_COPY" if self._version() >= 15 else "TEMPLATE {}"  # noqa: PLR2004
        statement = sql.SQL("CREATE DATABASE {} " + how)
        with psycopg.connect(self._postgres.url, autocommit=True) as connection:
            connection.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
        url = self._postgres.url.removesuffix("postgres") + name
        try:
            yield url
        finally:
            self._postgres.drop_database(url)

    def close(self) -> None:
        """Drop the template."""
        self._postgres.drop_database(self._url)

    def _version(self) -> int:
        with psycopg.connect(self._postgres.url) as connection:
            return connection.info.server_version // 10_000

    def _fill(self) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            with suppress(psycopg.errors.FeatureNotSupported, psycopg.errors.UndefinedFile):
                connection.execute("CREATE EXTENSION pg_prewarm")
            with connection.transaction():
                _lay_out(connection, self.layout)
                indexes = _drop_indexes(connection)
                connection.execute(_FILL, (LIST_NUMBER,))
                for statement in indexes:
                    connection.execute(statement.encode())
            connection.execute("VACUUM (FREEZE, ANALYZE)")
            connection.execute("CHECKPOINT")


def _lay_out(connection: psycopg.Connection, layout: Layout) -> None:
    """Make the tags, and note which resources they are to stand on."""
    # or each row would be checked against its tag, one by one
    connection.execute("SET LOCAL session_replication_role = replica")
    connection.execute(
        """CREATE TEMP TABLE resource ON COMMIT DROP AS
           SELECT n, gen_random_uuid() AS id FROM generate_series(0, %s - 1) AS n""",
        (layout.resources,),
    )
    connection.execute("CREATE INDEX ON resource (n)")
    connection.execute("CREATE TEMP TABLE span (name text, low int, high int) ON COMMIT DROP")
    with connection.cursor() as cursor:
        rows = [(name, low, high) for name, (low, high) in layout.spans.items()]
        cursor.executemany("INSERT INTO span VALUES (%s, %s, %s)", rows)
    connection.execute(
        "INSERT INTO tagsweep.tag (tenant, name) SELECT %s, name FROM span", (TENANT,)
    )
    connection.execute("ANALYZE resource")
    connection.execute("ANALYZE span")


def _drop_indexes(connection: psycopg.Connection) -> list[str]:
    """Drop the indexes of the links; return what makes them again, as whole as after a load."""
    keys = connection.execute(
        """SELECT format('ALTER TABLE tagsweep.tag_link DROP CONSTRAINT %I', conname),
                  format('ALTER TABLE tagsweep.tag_link ADD CONSTRAINT %I %s', conname,
                         pg_get_constraintdef(oid))
           FROM pg_constraint WHERE conrelid = 'tag_link'::regclass AND contype = 'p'"""
    ).fetchall()
    others = connection.execute(
        """SELECT format('DROP INDEX %s', indexrelid::regclass), pg_get_indexdef(indexrelid)
           FROM pg_index WHERE indrelid = 'tag_link'::regclass AND NOT indisprimary"""
    ).fetchall()
    for drop, _ in [*keys, *others]:
        connection.execute(drop.encode())
    return [create for _, create in [*keys, *others]]


def warm(connection: psycopg.Connection) -> None:
    """Bring all tables and indexes into memory, and write out what is not on the disk yet.

    So each page that a run changes goes whole into the log once, the first time: in every run.
    """
    relations = """SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'i', 't')
                   AND relnamespace IN ('tagsweep'::regnamespace, 'public'::regnamespace)
                   AND relpages > 0"""
    known = connection.execute("SELECT 1 FROM pg_extension WHERE extname = 'pg_prewarm'")
    if known.fetchone():
        connection.execute(f"SELECT pg_prewarm(name) FROM ({relations}) AS every (name)")
    else:
        connection.execute("SELECT count(created_at) FROM tagsweep.tag_link")
    connection.execute("CHECKPOINT")


def fingerprint(connection: psycopg.Connection) -> Fingerprint:
    """Return what links there are now."""
    rows = connection.execute(_FINGERPRINT).fetchall()
    return {name: (count, int(total)) for name, count, total in rows}
