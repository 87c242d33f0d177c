"""Own tables with columns, keys, triggers and references of their own: what jobs make of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tagsweep.worker.mapping import file, findings
from tagsweep.worker.models.jobs import AttachJob, DetachJob, UndoJob
from tests.servers import Postgres
from tests.support import driving
from tests.support.own_tables import ARTICLES, TAGGIT, TAGGIT_MAP, TENANT, OwnTables, mapped
from tests.support.stores import attached, counts


@pytest.fixture
def own(postgres_server: Postgres, postgres_template: str, tmp_path: Path) -> Iterator[OwnTables]:
    """A taggit-like application, whose tables this process works on."""
    url = postgres_server.create_database(postgres_template)
    with mapped(url, tmp_path, TAGGIT, TAGGIT_MAP) as found:
        yield found
    postgres_server.drop_database(url)


def _change(own: OwnTables, *statements: str) -> None:
    """Change the tables, before any job is recorded."""
    for statement in statements:
        own.execute(statement)
    file.load.cache_clear()


def _done(kind: type[AttachJob | DetachJob], resources: Any) -> dict[str, Any]:
    body = {"tenant": TENANT, "names": ["old"], "resources": {"articles": resources}}
    return driving.finish(driving.opened(kind.parse(body)))


def _undone(job_id: str) -> dict[str, Any]:
    body = {"tenant": TENANT, "job": job_id}
    return driving.finish(driving.opened(UndoJob.parse(body)))


def _refused(done: dict[str, Any]) -> list[tuple[str, str]]:
    """Return code and reason of each error."""
    return [(error["code"], error["reason"]) for error in done["errors"]]


_MOOD = "CREATE TYPE mood AS ENUM ('good', 'bad')"
_SAID = """CREATE FUNCTION said(mood) RETURNS text LANGUAGE sql IMMUTABLE AS
    $$ SELECT 'feels ' || CAST(enum_out($1) AS text) $$"""
#: columns whose text is not what a cast to text gives: what creates the type, the type, and values
COLUMNS: dict[str, tuple[tuple[str, ...], str, str]] = {
    "blanks that count": ((), "bpchar", "('ab  '), (''), ('   ')"),
    "blanks in a domain": (("CREATE DOMAIN code AS bpchar",), "code", "('ab  ')"),
    "a cast by a function": (
        (_MOOD, _SAID, "CREATE CAST (mood AS text) WITH FUNCTION said(mood)"),
        "mood",
        "('bad'), (NULL)",
    ),
    "rows of columns that are NULL": (
        ("CREATE TYPE pair AS (a integer, b text)",),
        "pair",
        "('(,)'), (NULL), ('(1,)'), ('(,\"\")')",
    ),
    "arrays of a type of their own": ((_MOOD,), "mood[]", "('{bad,NULL}'), ('{}'), (NULL)"),
    "json as it was written": ((), "json", """('{"b": 1,  "a": 2, "a": 3}'), ('null'), (NULL)"""),
    "the shortest fractions that are exact": ((), "double precision", "(0.1), (1/3.0), ('NaN')"),
    "the same in arrays": ((), "real[]", "(ARRAY[0.1, 1/3.0, '-Infinity'])"),
    "times beyond years": ((), "timestamptz", "('infinity'), ('0044-03-15 12:00:00.000001 BC')"),
}


@pytest.mark.parametrize("case", COLUMNS)
def test_a_column_comes_back_byte_by_byte(own: OwnTables, case: str) -> None:
    before_all, type_, values = COLUMNS[case]
    _change(own, *before_all, f"ALTER TABLE taggit_taggeditem ADD COLUMN more {type_}")
    tag = own.tag("old")
    own.execute(
        "INSERT INTO taggit_taggeditem (object_id, content_type_id, tag_id, more) "
        f"SELECT row_number() OVER (), :kind, :tag, CAST(value AS {type_}) "
        f"FROM (VALUES {values}) AS given (value)",
        kind=ARTICLES,
        tag=tag,
    )
    before = own.digest()
    done = _done(DetachJob, "*")
    assert own.links() == set()
    assert _undone(done["job_id"])["status"] == "succeeded"
    assert own.digest() == before


def test_a_row_whose_key_was_given_away_fails_and_the_others_come_back(own: OwnTables) -> None:
    own.tag("old", range(5))
    rows = {row.object_id: row.id for row in own.execute("SELECT * FROM taggit_taggeditem")}
    done = _done(DetachJob, "*")
    tag = own.tag("new")
    own.execute(
        "INSERT INTO taggit_taggeditem (id, object_id, content_type_id, tag_id) "
        "VALUES (:id, 70, :kind, :tag)",
        id=rows[2],
        kind=ARTICLES,
        tag=tag,
    )
    undone = _undone(done["job_id"])
    assert (undone["status"], undone["counts"]) == ("partial", attached(total=5, added=4, failed=1))
    ((code, reason),) = _refused(undone)
    assert code == "refused"
    assert reason.startswith("2: duplicate key value violates unique constraint")
    assert {link for link in own.links() if link[0] == "old"} == {
        ("old", ARTICLES, number) for number in (0, 1, 3, 4)
    }


def test_a_link_that_somebody_made_again_stays_as_it_is(own: OwnTables) -> None:
    own.tag("old", range(3))
    done = _done(DetachJob, "*")
    own.tag("old", [1])
    again = own.execute("SELECT * FROM taggit_taggeditem WHERE object_id = 1")
    undone = _undone(done["job_id"])
    assert undone["counts"] == attached(total=3, added=2, present=1)
    assert own.execute("SELECT * FROM taggit_taggeditem WHERE object_id = 1") == again


def test_an_attach_that_another_unique_key_refuses_is_not_said_to_be_present(
    own: OwnTables,
) -> None:
    own.tag("other", [1])
    own.tag("old", [2])
    _change(own, "CREATE UNIQUE INDEX one_tag_each ON taggit_taggeditem (object_id)")
    done = _done(AttachJob, [1, 2, 3])
    assert (done["status"], done["counts"]) == (
        "partial",
        attached(total=3, added=1, present=1, failed=1),
    )
    refusal = '1: duplicate key value violates unique constraint "one_tag_each"'
    assert _refused(done) == [("refused", refusal)]
    assert own.links() == {("other", ARTICLES, 1), ("old", ARTICLES, 2), ("old", ARTICLES, 3)}


def test_an_attach_that_a_column_forbids_fails_with_its_name_and_changes_nothing(
    own: OwnTables,
) -> None:
    own.tag("old", [1])
    _change(
        own,
        "ALTER TABLE taggit_taggeditem ADD COLUMN why text NOT NULL DEFAULT 'since 2020'",
        "ALTER TABLE taggit_taggeditem ALTER COLUMN why DROP DEFAULT",
    )
    before = own.digest()
    done = _done(AttachJob, [1, 2])
    assert done["counts"] == attached(total=2, present=1, failed=1)
    ((_, reason),) = _refused(done)
    assert reason.startswith('2: null value in column "why"')
    assert (own.digest(), own.counters()) == (before, {"old": 1})
    removed = _done(DetachJob, "*")
    assert _undone(removed["job_id"])["status"] == "succeeded"
    assert own.digest() == before


@pytest.mark.parametrize("identity", ["ALWAYS", "BY DEFAULT"])
def test_keys_of_an_identity_come_back_and_new_ones_go_on_after_them(
    own: OwnTables, identity: str
) -> None:
    _change(own, f"ALTER TABLE taggit_taggeditem ALTER COLUMN id SET GENERATED {identity}")
    own.tag("old", range(3))
    before = own.digest()
    assert _undone(_done(DetachJob, "*")["job_id"])["status"] == "succeeded"
    assert own.digest() == before
    own.tag("old", [3])
    keys = own.execute("SELECT id FROM taggit_taggeditem ORDER BY object_id")
    assert [row.id for row in keys] == [1, 2, 3, 4]


def test_an_undo_waits_for_a_column_that_is_gone_and_says_which(own: OwnTables) -> None:
    own.tag("old", range(3))
    rows = "SELECT id, object_id, added_by, weight FROM taggit_taggeditem ORDER BY id"
    before = own.execute(rows)
    done = _done(DetachJob, "*")
    own.execute("ALTER TABLE taggit_taggeditem DROP COLUMN weight")
    undo = driving.opened(UndoJob.parse({"tenant": TENANT, "job": done["job_id"]}))
    driving.step()
    waiting = own.store.job(undo).waiting
    assert 'column "weight" of relation "taggit_taggeditem" does not exist' in waiting
    assert own.links() == set()
    own.execute("ALTER TABLE taggit_taggeditem ADD COLUMN weight double precision")
    driving.due_in(-1)
    assert driving.finish(undo)["counts"] == attached(total=3, added=3)
    assert own.execute(rows) == before


_STAMP = """CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN NEW.weight = 99; RETURN NEW; END $$"""
_NOTES = "CREATE TABLE note (link bigint REFERENCES taggit_taggeditem ON DELETE CASCADE)"
_A_NOTE = "INSERT INTO note SELECT id FROM taggit_taggeditem WHERE object_id = 2"


def test_what_an_undo_cannot_bring_back_is_no_more_than_the_check_says(own: OwnTables) -> None:
    """A trigger that rewrites, and rows that go with a link: the rest is as it was."""
    own.tag("old", range(3))
    _change(own, _NOTES, _A_NOTE, _STAMP)
    own.execute(
        "CREATE TRIGGER stamp BEFORE INSERT ON taggit_taggeditem "
        "FOR EACH ROW EXECUTE FUNCTION stamp()"
    )
    rows = (
        "SELECT id, object_id, tag_id, added_by, details::text FROM taggit_taggeditem ORDER BY id"
    )
    before = own.execute(rows)
    undone = _undone(_done(DetachJob, "*")["job_id"])
    assert undone["counts"] == attached(total=3, added=3)
    assert own.execute(rows) == before
    assert {row.weight for row in own.execute("SELECT weight FROM taggit_taggeditem")} == {99.0}
    assert own.execute("SELECT * FROM note") == []


def test_with_what_mends_a_cascade_such_links_stay(own: OwnTables) -> None:
    own.tag("old", range(3))
    _change(own, _NOTES, _A_NOTE)
    own.execute(_mend("rows of note refer to links"))
    done = _done(DetachJob, "*")
    assert (done["status"], done["counts"]) == ("partial", counts(total=3, removed=2, failed=1))
    assert own.links() == {("old", ARTICLES, 2)}
    assert len(own.execute("SELECT * FROM note")) == 1


def _mend(what: str) -> str:
    """Return the statement of the check's finding."""
    mapping = file.load()
    assert mapping is not None
    (found,) = (
        one
        for one in findings.of_map(mapping)
        if one.resource == "articles" and one.what.startswith(what)
    )
    assert found.mend is not None
    return found.mend
