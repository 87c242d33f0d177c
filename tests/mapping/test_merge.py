"""Merges on an application's tables: each row keeps all but its tag, whoever writes beside them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from tagsweep.worker import settings as settings_of_process
from tagsweep.worker.errors import InvalidJob
from tagsweep.worker.mapping import checking, file
from tagsweep.worker.models.jobs import DetachJob, MergeJob, UndoJob
from tests.support import driving, locks, receipts
from tests.support.own_tables import TENANT, OwnTables
from tests.support.worlds import examples

pytestmark = pytest.mark.slow

#: the tags, in the order in which they are merged; the last one is what the others become
OLD, OLDER, NEW = TAGS = ("old", "older", "new")
OBJECTS = range(1, 9)
CLOCKED = pytest.mark.parametrize("clock", ["grows", "created_at"], indirect=True)
ONE_CLOCK = pytest.mark.parametrize("clock", ["grows"], indirect=True)

Row = tuple[str, int, str]  #: tag, object, and all that a merge leaves as it is
Rows = dict[int, Row]
Write = tuple[str, str, int]

links = st.sets(st.tuples(st.sampled_from(TAGS), st.sampled_from(OBJECTS)))
lists = st.sets(st.sampled_from(OBJECTS), min_size=1) | st.just("*")
writes = st.lists(
    st.tuples(st.sampled_from(["add", "remove"]), st.sampled_from(TAGS), st.sampled_from(OBJECTS)),
    max_size=8,
)

_ADD = """
INSERT INTO links (tag_id, object_id, note) SELECT id, :object, 'by ' || txid_current()
FROM tags WHERE name = :tag ON CONFLICT DO NOTHING
"""
_REMOVE = """
DELETE FROM links USING tags WHERE tags.id = tag_id AND name = :tag AND object_id = :object
"""


class Tables:
    """The application's tables, with three tags."""

    def __init__(self, own: OwnTables) -> None:
        self.own = own
        own.execute("TRUNCATE tags, links")
        for name in TAGS:
            own.execute("INSERT INTO tags (name) VALUES (:name)", name=name)

    def write(self, what: str, tag: str, number: int) -> None:
        """Add or remove a link, as the application does; its counter too."""
        change, sign = (_ADD, "+") if what == "add" else (_REMOVE, "-")
        self.own.execute(
            f"WITH one AS ({change} RETURNING tag_id) UPDATE tags SET links = links {sign} 1 "
            "WHERE id IN (SELECT tag_id FROM one)",
            tag=tag,
            object=number,
        )

    def rows(self) -> Rows:
        """Return every row, by key; assert that the tags' counters are right."""
        found = self.own.execute(
            "SELECT links.id, name, object_id, concat_ws(' ', links.id, added, note) AS rest "
            "FROM links JOIN tags ON tags.id = tag_id"
        )
        counted = {name: sum(row.name == name for row in found) for name in TAGS}
        told = self.own.execute("SELECT name, links FROM tags")
        assert {row.name: row.links for row in told} == counted
        return {row.id: (row.name, row.object_id, row.rest) for row in found}


@pytest.fixture
def tables(own: OwnTables) -> Tables:
    """The tables, empty."""
    return Tables(own)


def _merge(objects: object, **options: Any) -> MergeJob:
    body = {"tenant": TENANT, "names": [OLD, OLDER], "into": NEW}
    things = objects if isinstance(objects, str) else sorted(objects)  # type: ignore[call-overload]
    return MergeJob.parse({**body, "resources": {"things": things}, **options})


def _done(job: Any) -> dict[str, Any]:
    return driving.finish(driving.opened(job))


def _undo(job_id: str) -> dict[str, Any]:
    return _done(UndoJob.parse({"tenant": TENANT, "job": job_id}))


def _told(data: dict[str, Any]) -> tuple[str, int, int]:
    return data["status"], data["counts"]["moved"], data["counts"]["present"]


class Merged:
    """What a merge makes of rows, and what its undo makes of the rows that it then finds."""

    def __init__(self, before: Rows, objects: object) -> None:
        self.gone = {
            key: row
            for key, row in before.items()
            if row[0] != NEW and (objects == "*" or row[1] in objects)  # type: ignore[operator]
        }
        there = {number for tag, number, _ in before.values() if tag == NEW}
        in_order = sorted(self.gone.items(), key=lambda one: TAGS.index(one[1][0]))
        first = {row[1]: key for key, row in reversed(in_order)}
        self.moved = {key for number, key in first.items() if number not in there}
        self.after = {key: row for key, row in before.items() if key not in self.gone}
        self.after |= {key: (NEW, *self.gone[key][1:]) for key in self.moved}

    def undone(self, now: Rows) -> Rows:
        """Return the rows after an undo that finds these."""
        left, there = dict(now), {row[:2] for row in now.values()}
        for key, row in self.gone.items():
            if key in self.moved and key in left:  # it is still as the merge has left it
                del left[key]
            if row[:2] not in there:
                left[key] = row
        return left


def _with(own: OwnTables, there: set[tuple[str, int]], most: int) -> Tables:
    """Return tables with these rows, of which a chunk has at most so many."""
    tables = Tables(own)
    driving.chunk_size(most)
    for tag, number in sorted(there):
        tables.write("add", tag, number)
    return tables


@CLOCKED
@settings(examples, max_examples=60)
@given(there=links, objects=lists, most=st.integers(1, 9), between=writes)
def test_a_merge_and_its_undo_do_with_each_row_what_sets_say(
    own: OwnTables, there: set[tuple[str, int]], objects: object, most: int, between: list[Write]
) -> None:
    tables = _with(own, there, most)
    before = tables.rows()
    merged = Merged(before, objects)
    counts = len(merged.moved), len(merged.gone) - len(merged.moved)
    preview = _done(_merge(objects, dry_run=True))
    assert (_told(preview), tables.rows()) == (("succeeded", *counts), before)
    done = _done(_merge(objects))
    assert (_told(done), tables.rows()) == (("succeeded", *counts), merged.after)
    receipts.agrees(own.store, UUID(done["job_id"]))
    for write in between:
        tables.write(*write)
    now = tables.rows()
    undone = _undo(done["job_id"])
    assert (undone["status"], tables.rows()) == ("succeeded", merged.undone(now))
    receipts.agrees(own.store, UUID(undone["job_id"]))
    if not between:
        assert _undo(undone["job_id"])["status"] == "succeeded"
        assert tables.rows() == merged.after


@settings(examples, max_examples=25)
@given(there=links, objects=lists, most=st.integers(1, 9))
def test_whatever_the_clock_it_can_be_undone_and_done_again(
    own: OwnTables, there: set[tuple[str, int]], objects: object, most: int
) -> None:
    tables = _with(own, there, most)
    before = tables.rows()
    merged = Merged(before, objects)
    job_id = _done(_merge(objects))["job_id"]
    for expected in (before, merged.after, before, merged.after):
        undone = _undo(job_id)
        job_id = undone["job_id"]
        receipts.agrees(own.store, UUID(job_id))
        assert (undone["status"], tables.rows()) == ("succeeded", expected)


@ONE_CLOCK
def test_an_undo_of_that_puts_back_what_it_took_where_the_row_is_gone(tables: Tables) -> None:
    for number in OBJECTS:
        tables.write("add", OLD, number)
    done = _done(_merge("*"))
    merged = tables.rows()
    undone = _undo(done["job_id"])
    for number in (1, 2):
        tables.write("remove", OLD, number)
    tables.write("add", NEW, 2)
    later = {key: row for key, row in tables.rows().items() if row[:2] == (NEW, 2)}
    assert _undo(undone["job_id"])["status"] == "succeeded"
    expected = {key: row for key, row in merged.items() if row[1] != 2}
    assert tables.rows() == expected | later


@contextmanager
def _merging(tables: Tables, change: str, **values: Any) -> Iterator[dict[str, Any]]:
    """Merge everything while an application changes links; it commits once the merge waits."""
    job_id, done = driving.opened(_merge("*")), dict[str, Any]()
    store = tables.own.store
    with ThreadPoolExecutor(1) as pool:
        with store.transaction() as connection:
            connection.execute(text(change), values)
            ended = pool.submit(driving.finish, job_id)
            locks.wait_for_waiting(store)
        done |= ended.result(60)
    yield done
    receipts.agrees(store, job_id)


@ONE_CLOCK
@pytest.mark.parametrize("most", [1, 9])
def test_where_an_owner_adds_the_new_tag_meanwhile_its_row_stays_and_the_old_one_goes(
    tables: Tables, most: int
) -> None:
    driving.chunk_size(most)
    for number in OBJECTS:
        tables.write("add", OLD, number)
    before = tables.rows()
    add = "INSERT INTO links (tag_id, object_id) SELECT id, 3 FROM tags WHERE name = 'new'"
    with _merging(tables, add) as done:
        assert _told(done) == ("succeeded", 7, 1)
    tables.own.execute("UPDATE tags SET links = 8 WHERE name = 'new'")
    assert {row[:2] for row in tables.rows().values()} == {(NEW, number) for number in OBJECTS}
    (theirs,) = tables.rows().keys() - before.keys()
    assert _undo(done["job_id"])["counts"]["moved"] == 8
    left = tables.rows()
    assert left.pop(theirs)[:2] == (NEW, 3)
    assert left == before


@ONE_CLOCK
def test_where_an_owner_removes_the_first_name_meanwhile_the_next_one_is_moved(
    tables: Tables,
) -> None:
    for number in OBJECTS:
        for tag in (OLD, OLDER):
            tables.write("add", tag, number)
    remove = "DELETE FROM links USING tags WHERE tags.id = tag_id AND name = 'old'"
    with _merging(tables, f"{remove} AND object_id = 3") as done:
        assert _told(done) == ("succeeded", 8, 7)
    tables.own.execute("UPDATE tags SET links = 0 WHERE name = 'old'")
    assert {row[:2] for row in tables.rows().values()} == {(NEW, number) for number in OBJECTS}


#: a key that is taken by others so many times: what is rolled back gives no number back
_TAKEN = """
CREATE FUNCTION taken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF nextval('tried') < 5 THEN RAISE unique_violation USING MESSAGE = 'taken'; END IF;
    RETURN NEW;
END $$
"""


@ONE_CLOCK
def test_a_link_that_owners_are_faster_with_again_and_again_is_tried_as_often(
    tables: Tables,
) -> None:
    tables.write("add", OLD, 1)
    tables.own.execute("CREATE SEQUENCE tried")
    tables.own.execute(_TAKEN)
    tables.own.execute(
        "CREATE TRIGGER taken BEFORE UPDATE ON links FOR EACH ROW EXECUTE FUNCTION taken()"
    )
    assert _told(_done(_merge([1]))) == ("succeeded", 1, 0)
    assert tables.own.execute("SELECT last_value FROM tried")[0].last_value == 5


@ONE_CLOCK
def test_a_row_that_another_key_keeps_from_being_moved_fails_and_the_others_are(
    tables: Tables,
) -> None:
    tables.own.execute("CREATE UNIQUE INDEX ON links (tag_id, note) WHERE note = 'single'")
    for number in OBJECTS:
        tables.write("add", OLD, number)
    tables.write("add", NEW, 99)
    tables.own.execute("UPDATE links SET note = 'single' WHERE object_id IN (3, 99)")
    before = tables.rows()
    done = _done(_merge("*"))
    assert (_told(done), done["counts"]["failed"]) == (("partial", 7, 0), 1)
    assert "duplicate key" in done["errors"][0]["reason"]
    assert {row[:2] for row in tables.rows().values() if row[0] == OLD} == {(OLD, 3)}
    _undo(done["job_id"])
    assert tables.rows() == before


@CLOCKED
def test_what_came_to_be_by_a_merge_is_spared_by_a_job_that_was_there_before(
    tables: Tables,
) -> None:
    for tag, number in ((OLD, 1), (OLD, 2), (NEW, 3)):
        tables.write("add", tag, number)
    body = {"tenant": TENANT, "names": [NEW], "resources": {"things": "*"}}
    earlier = driving.record(DetachJob.parse(body))
    _done(_merge([1, 2]))
    driving.split(earlier)
    driving.finish(earlier)
    assert {row[:2] for row in tables.rows().values()} == {(NEW, 1), (NEW, 2)}
    _done(DetachJob.parse(body))
    assert tables.rows() == {}


@ONE_CLOCK
def test_what_refers_to_a_row_that_is_moved_stays(tables: Tables) -> None:
    tables.own.execute("CREATE TABLE remark (link bigint REFERENCES links ON DELETE CASCADE)")
    for number in OBJECTS:
        tables.write("add", OLD, number)
    tables.own.execute("INSERT INTO remark SELECT id FROM links")
    _undo(_done(_merge("*"))["job_id"])
    assert len(tables.own.execute("SELECT * FROM remark")) == len(OBJECTS)


def _without_new(tables: Tables, **options: Any) -> MergeJob:
    tables.write("add", OLD, 1)
    tables.own.execute("DELETE FROM tags WHERE name = 'new'")
    return _merge("*", **options)


@ONE_CLOCK
@pytest.mark.parametrize("option", [{}, {"dry_run": True}, {"strict": True}])
def test_a_new_tag_that_no_job_may_create_is_told_and_nothing_changes(
    tables: Tables, option: dict[str, bool]
) -> None:
    done = _done(_without_new(tables, names=[OLD, "none"], **option))
    told = done["errors"] if option.get("strict") else done["warnings"]
    assert done["status"] == ("rejected" if option.get("strict") else "succeeded")
    assert [(one["path"], one["code"]) for one in told] == [
        ("/names/1", "unknown_tag"),
        ("/into", "unknown_tag"),
    ]
    assert 'no tag "new"' in told[1]["reason"]
    assert "create = true" in told[1]["reason"]
    assert [row.name for row in tables.own.execute("SELECT name FROM tags ORDER BY id")] == [
        OLD,
        OLDER,
    ]
    assert len(tables.own.execute("SELECT 1 FROM links")) == 1


@ONE_CLOCK
def test_where_the_map_lets_it_the_new_tag_is_created_by_the_merge_alone(tables: Tables) -> None:
    mapping = settings_of_process.load().map
    assert mapping is not None
    mapping.write_text(mapping.read_text().replace("[tags]", "[tags]\ncreate = true"))
    file.load.cache_clear()
    job = _without_new(tables)
    count = "SELECT count(*) AS n FROM tags"
    assert _told(_done(_merge("*", dry_run=True))) == ("succeeded", 1, 0)
    assert tables.own.execute(count)[0].n == 2
    done = _done(job)
    assert _told(done) == ("succeeded", 1, 0)
    assert [tag["name"] for tag in done["tags"]] == [*TAGS]
    assert [row[:2] for row in tables.rows().values()] == [(NEW, 1)]
    assert (
        done["tags"][2]["id"] == tables.own.execute("SELECT id FROM tags WHERE name = 'new'")[0].id
    )


@ONE_CLOCK
def test_a_new_tag_whose_name_several_have_is_refused(tables: Tables) -> None:
    tables.own.execute("ALTER TABLE tags DROP CONSTRAINT tags_name_key")
    tables.own.execute("INSERT INTO tags (name) VALUES ('new')")
    file.load.cache_clear()
    tables.own.execute("INSERT INTO links (tag_id, object_id) SELECT min(id), 1 FROM tags")
    done = _done(_merge("*"))
    (error,) = done["errors"]
    assert (done["status"], error["path"], error["code"]) == ("rejected", "/into", "ambiguous_name")


_TWO_TABLES = """
[resources.folders]
links = "public.folder_links"
tag = "tag_id"
object = "object_id"
kind = "bigint"
grows = "id"
tags = { table = "public.folder_tags", id = "id", name = "name", tenant_fixed = "main" }
"""


@ONE_CLOCK
def test_names_of_two_tables_of_tags_never_mix(tables: Tables) -> None:
    mapping = settings_of_process.load().map
    assert mapping is not None
    mapping.write_text(mapping.read_text() + _TWO_TABLES)
    file.load.cache_clear()
    tables.own.create(
        "CREATE TABLE folder_tags (LIKE tags INCLUDING ALL);"
        "CREATE TABLE folder_links (LIKE links INCLUDING ALL);"
        "INSERT INTO folder_tags (id, name) VALUES (901, 'new'), (902, 'old');"
        "INSERT INTO folder_links (id, tag_id, object_id) VALUES (77, 902, 1), (78, 901, 2)"
    )
    for number in (1, 2):
        tables.write("add", OLD, number)
    before = tables.rows()
    both = {"things": [1, 2], "folders": [1, 2]}
    for mixed in (_merge([1], resources=both), _merge([1], resources={"things": "*"}, tables="*")):
        with pytest.raises(InvalidJob, match="has its tags in another table than"):
            checking.check(mixed)
    mapping.write_text(mapping.read_text().replace("resources.folders", "resources.tables"))
    file.load.cache_clear()
    without_list = MergeJob.parse({"tenant": TENANT, "names": [OLD], "into": NEW})
    with pytest.raises(InvalidJob, match="make one job of each"):
        checking.check(without_list)
    done = _done(_merge([1], resources={"tables": "*"}))
    assert _told(done) == ("succeeded", 1, 0)
    rows = tables.own.execute("SELECT id, tag_id, object_id FROM folder_links ORDER BY id")
    assert [tuple(row) for row in rows] == [(77, 901, 1), (78, 901, 2)]
    assert tables.rows() == before
    assert [tag["id"] for tag in done["tags"]] == [902, 901]
    assert _told(_done(_merge("*"))) == ("succeeded", 2, 0)
    assert len(tables.own.execute("SELECT id FROM folder_links WHERE tag_id = 901")) == 2
