"""How the rows of an application are recorded, and how an undo puts them back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import event

from tagsweep.worker import database
from tagsweep.worker.models.jobs import DetachJob, UndoJob
from tests.servers import Postgres
from tests.support import driving
from tests.support.own_tables import TAGGIT, TAGGIT_MAP, TENANT, OwnTables, mapped

#: what is hard to write down as text
ODD = ["", "NULL", "a,b", '"quoted"', "{braces}", "[1]", "back\\slash", "two\nlines", " ", "é☃"]
# as former versions recorded them
AS_JSON = """
UPDATE removal SET kept = ARRAY(
    SELECT CAST(json_build_array(VARIADIC CAST(line AS text[])) AS text)
    FROM unnest(kept) WITH ORDINALITY AS one (line, place) ORDER BY place
)
"""
NOTING = """
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO noted SELECT TG_OP, current_setting('plan_cache_mode'),
        current_setting('enable_indexscan');
    RETURN NULL;
END $$
"""
FIRING = """
CREATE TRIGGER note AFTER INSERT OR DELETE ON taggit_taggeditem
FOR EACH ROW EXECUTE FUNCTION note()
"""


@pytest.fixture
def own(postgres_server: Postgres, postgres_template: str, tmp_path: Path) -> Iterator[OwnTables]:
    """A taggit-like application, whose tables this process works on."""
    url = postgres_server.create_database(postgres_template)
    with mapped(url, tmp_path, TAGGIT, TAGGIT_MAP) as found:
        yield found
    postgres_server.drop_database(url)


@pytest.fixture
def plans(own: OwnTables) -> list[str]:  # noqa: ARG001  # of this process, on these tables
    """The plan of each statement that this process has had executed."""
    told: list[str] = []

    def explain(connection: psycopg.Connection[Any], _: object) -> None:
        connection.autocommit = True
        connection.execute("LOAD 'auto_explain'")
        connection.execute("SET auto_explain.log_min_duration = 0")
        connection.execute("SET client_min_messages = log")
        connection.autocommit = False
        connection.add_notice_handler(lambda notice: told.append(notice.message_primary or ""))

    database.engine().dispose()
    event.listen(database.engine(), "connect", explain)
    return told


def _detach(*names: str, resources: Any = "*") -> str:
    body = {"tenant": TENANT, "names": names, "resources": {"articles": resources}}
    done = driving.run(DetachJob.parse(body))
    assert done["status"] == "succeeded"
    return str(done["job_id"])


def _undo(job_id: str) -> UUID:
    undo = driving.record(UndoJob.parse({"tenant": TENANT, "job": job_id}))
    assert driving.run_recorded(undo)["status"] == "succeeded"
    return undo


def _odd(own: OwnTables) -> None:
    """Tag as many resources as there are odd texts, with one each, and one more without details."""
    own.tag("old", range(len(ODD) + 1))
    for number, written in enumerate(ODD):
        own.execute(
            "UPDATE taggit_taggeditem SET added_by = :written WHERE object_id = :number",
            written=written,
            number=number,
        )
    own.execute(
        "UPDATE taggit_taggeditem SET weight = NULL, details = NULL WHERE object_id = :last",
        last=len(ODD),
    )


@pytest.mark.parametrize("former", [False, True])
def test_text_of_any_kind_comes_back_as_it_was(own: OwnTables, *, former: bool) -> None:
    """Also what a former version recorded, as JSON."""
    _odd(own)
    before = own.digest()
    gone = _detach("old")
    if former:
        own.execute(AS_JSON)
    _undo(gone)
    assert own.digest() == before


def test_of_a_resource_with_several_rows_each_comes_back_as_it_was(own: OwnTables) -> None:
    (key,) = own.execute(
        "SELECT conname FROM pg_constraint WHERE contype = 'u' "
        "AND conrelid = CAST('taggit_taggeditem' AS regclass)"
    )
    own.execute(f'ALTER TABLE taggit_taggeditem DROP CONSTRAINT "{key.conname}"')
    _odd(own)
    own.execute(
        "INSERT INTO taggit_taggeditem (object_id, content_type_id, tag_id, added_by) "
        "SELECT object_id, content_type_id, tag_id, added_by FROM taggit_taggeditem"
    )
    before = own.digest()
    _undo(_detach("old"))
    assert own.digest() == before


def test_a_trigger_finds_the_plans_of_any_session(own: OwnTables) -> None:
    """What it executes for each row is neither planned each time nor kept from an index."""
    own.execute("CREATE TABLE noted (how text, plans text, indexes text)")
    own.execute(NOTING)
    own.execute(FIRING)
    own.tag("old", range(300))
    own.execute("TRUNCATE noted")
    _undo(_detach("old"))
    found = {tuple(row) for row in own.execute("SELECT DISTINCT * FROM noted")}
    assert {(how, plans) for how, plans, _ in found} == {("DELETE", "auto"), ("INSERT", "auto")}
    assert ("INSERT", "auto", "on") in found


def test_an_undo_of_some_reads_no_other_links(own: OwnTables, plans: list[str]) -> None:
    own.tag("old", range(40_000))
    driving.chunk_size(2_000)
    gone = _detach("old", resources=list(range(10_000)))
    own.execute("ANALYZE taggit_taggeditem")
    plans.clear()
    _undo(gone)
    restoring = [plan for plan in plans if "Insert on taggit_taggeditem" in plan]
    assert len(restoring) == 5
    for plan in restoring:
        assert "object_id >= " in plan, plan


def test_beside_an_undo_what_came_back_is_read_once(own: OwnTables, plans: list[str]) -> None:
    own.tag("old", range(2_000))
    gone = _detach("old", resources=list(range(1_000)))
    beside = driving.record(
        DetachJob.parse({"tenant": TENANT, "names": ["old"], "resources": {"articles": "*"}})
    )
    _undo(gone)
    plans.clear()
    assert driving.run_recorded(beside)["counts"]["removed"] == 1_000
    (plan,) = [plan for plan in plans if "Delete on taggit_taggeditem" in plan]
    assert "hashed SubPlan" in plan, plan


@pytest.mark.parametrize(
    "names, chunks", [(["old"], [400, 400, 200]), (["old", "new", "other"], [400, 400, 200] * 3)]
)
def test_the_chunks_of_an_undo_are_as_large_as_any(
    own: OwnTables, names: list[str], chunks: list[int]
) -> None:
    """Also where each row of the record has few links of each tag."""
    for name in names:
        own.tag(name, range(1_000))
    before = own.digest()
    driving.chunk_size(400)
    undo = _undo(_detach(*names, resources=list(range(1_000))))
    query = "SELECT number, items FROM chunk WHERE job_id = :undo ORDER BY number"
    assert [row.items for row in own.execute(query, undo=undo)] == chunks
    assert own.digest() == before
