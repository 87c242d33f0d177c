"""The owner of mapped tables, who adds and removes links of its own while jobs run on them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from tagsweep.worker.models.records import Chunk
from tagsweep.worker.models.resources import number_of
from tagsweep.worker.tasks import sweep
from tests.support.own_tables import OwnTables

TABLES = """
CREATE TABLE public.tags (id serial PRIMARY KEY, name text NOT NULL UNIQUE,
    links bigint NOT NULL DEFAULT 0);
CREATE TABLE public.links (id bigserial PRIMARY KEY,
    tag_id integer NOT NULL REFERENCES public.tags, object_id bigint NOT NULL,
    added timestamptz NOT NULL DEFAULT clock_timestamp(), note text DEFAULT 'nobody',
    UNIQUE (tag_id, object_id));
"""
#: what says whether a link is older than a job, as the map has it
CLOCKS = {"grows": 'grows = "id"', "created_at": 'created_at = "added"', "no clock": ""}
MAP = """
[tags]
table = "public.tags"
id = "id"
name = "name"
counter = "links"
tenant_fixed = "main"

[resources.things]
links = "public.links"
tag = "tag_id"
object = "object_id"
kind = "bigint"
"""
_ADD = """
WITH made AS (
    INSERT INTO links (tag_id, object_id, note) VALUES (:tag, :object, :note)
    ON CONFLICT DO NOTHING RETURNING *
), counted AS (
    UPDATE tags SET links = links + (SELECT count(*) FROM made) WHERE id = :tag
)
SELECT id, object_id, made::text AS row FROM made
"""
_REMOVE = """
WITH gone AS (
    DELETE FROM links WHERE tag_id = :tag AND object_id = :object RETURNING id
), counted AS (
    UPDATE tags SET links = links - (SELECT count(*) FROM gone) WHERE id = :tag
)
SELECT id FROM gone
"""


@dataclass(frozen=True)
class Row:
    """A row of the table of links."""

    key: int
    object: int
    text: str  #: all of its columns


def _rows(found: Iterable[object]) -> dict[int, Row]:
    return {row.key: row for row in (Row(*each) for each in found)}  # type: ignore[misc]  # a row


@dataclass
class Owner:
    """The owner's links of one tag: what it has added, and what it has removed again."""

    own: OwnTables
    tag_name: str
    added: dict[int, Row] = field(default_factory=dict)  #: by key
    removed: set[int] = field(default_factory=set)  #: keys, those of rows of a job's too

    def __post_init__(self) -> None:
        new = "INSERT INTO tags (name) VALUES (:name) ON CONFLICT (name) DO NOTHING"
        self.own.execute(new, name=self.tag_name)
        found = self.own.execute("SELECT id FROM tags WHERE name = :name", name=self.tag_name)
        self.tag = int(found[0].id)

    def add(self, number: int) -> None:
        """Put the tag on an object, unless it carries it."""
        note = f"by the owner, {len(self.added)}"
        self.added |= _rows(self.own.execute(_ADD, tag=self.tag, object=number, note=note))

    def remove(self, number: int) -> None:
        """Take the tag off an object, whoever has put it on."""
        found = self.own.execute(_REMOVE, tag=self.tag, object=number)
        self.removed |= {row.id for row in found}

    def there(self) -> dict[int, Row]:
        """Return the rows that there are, by key."""
        query = "SELECT id, object_id, links::text FROM links WHERE tag_id = :tag"
        return _rows(self.own.execute(query, tag=self.tag))

    def check_counter(self) -> None:
        """Assert that the tag's counter is the number of its links."""
        (found,) = self.own.execute("SELECT links FROM tags WHERE id = :tag", tag=self.tag)
        assert found.links == len(self.there())


@dataclass(frozen=True)
class Applied:
    """What one chunk did to the table."""

    chunk: Chunk
    before: dict[int, Row]
    after: dict[int, Row]

    @property
    def gone(self) -> dict[int, Row]:
        """The rows that were there before, and are not, or not the same, afterwards."""
        return {k: row for k, row in self.before.items() if self.after.get(k) != row}

    @property
    def new(self) -> dict[int, Row]:
        """The rows that were not there before, or not the same."""
        return {k: row for k, row in self.after.items() if self.before.get(k) != row}

    def covers(self, row: Row) -> bool:
        """Tell whether the chunk is about a row's object."""
        low, high = (end.int for end in self.chunk.ends)
        if self.chunk.is_range:
            return low <= row.object <= high
        ids = self.chunk.ids
        return row.object in {number_of(ids[at : at + 16]) for at in range(0, len(ids), 16)}


def apply_next(owner: Owner, job_id: UUID) -> Applied | None:
    """Apply the job's next chunk, nothing else being open; None if there is none."""
    chunks = [row for row in owner.own.store.chunks(job_id) if row.state == "open"]
    before = owner.there()
    if not sweep.apply_next():
        return None
    left = {row.number for row in owner.own.store.chunks(job_id) if row.state == "open"}
    (applied,) = (Chunk.of(row) for row in chunks if row.number not in left)
    return Applied(applied, before, owner.there())
