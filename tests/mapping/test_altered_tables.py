"""Mapped tables that are altered between two jobs of a process: each sees them as they are."""

from __future__ import annotations

from typing import Any

import pytest

from tagsweep.worker.mapping import catalogue
from tagsweep.worker.models.jobs import DetachJob, UndoJob
from tests.support import driving
from tests.support.link_owner import Owner
from tests.support.own_tables import TENANT, OwnTables

ALTERED = {
    "a new column": "ALTER TABLE links ADD COLUMN more text DEFAULT 'more'",
    "a column that is gone": "ALTER TABLE links DROP COLUMN note",
    "a column of another name": "ALTER TABLE links RENAME COLUMN note TO remark",
    "a column of another type": "ALTER TABLE links ALTER COLUMN note TYPE varchar(99)",
    "a column that is generated": "ALTER TABLE links DROP COLUMN added, "
    "ADD COLUMN added bigint GENERATED ALWAYS AS (object_id * 2) STORED",
    "a column of a type of their own": "CREATE DOMAIN remark AS text; "
    "ALTER TABLE links ALTER COLUMN note TYPE remark",
    "a type of another name": "ALTER DOMAIN first_name RENAME TO other_name",
    "a type in another schema": "CREATE SCHEMA other; ALTER DOMAIN first_name SET SCHEMA other",
    "a schema of another name": "ALTER SCHEMA first_schema RENAME TO other_schema",
    "no unique key": "ALTER TABLE links DROP CONSTRAINT links_tag_id_object_id_key",
    "another table of that name": "CREATE TABLE next (LIKE links INCLUDING ALL, more text); "
    "INSERT INTO next SELECT *, 'more' FROM links; ALTER TABLE links RENAME TO former; "
    "ALTER TABLE next RENAME TO links",
}
TYPES = """
CREATE DOMAIN public.first_name AS text;
CREATE SCHEMA first_schema;
CREATE DOMAIN first_schema.kind AS text;
ALTER TABLE public.links ADD COLUMN named public.first_name, ADD COLUMN kind first_schema.kind
"""

pytestmark = pytest.mark.parametrize("clock", ["grows"], indirect=True)


def _detached_and_undone(name: str) -> None:
    body = {"tenant": TENANT, "names": [name], "resources": {"things": list(range(5))}}
    done = driving.run(DetachJob.parse(body))
    assert done["counts"]["removed"] == 5
    undo = driving.record(UndoJob.parse({"tenant": TENANT, "job": done["job_id"]}))
    assert driving.run_recorded(undo)["counts"]["added"] == 5


@pytest.mark.parametrize("altered", ALTERED.values(), ids=ALTERED)
def test_what_comes_back_is_a_row_of_the_table_as_it_is_now(own: OwnTables, altered: str) -> None:
    own.create(TYPES)
    owner = Owner(own, "old")
    for number in range(5):
        owner.add(number)
    own.execute("UPDATE links SET named = 'a', kind = 'b'")
    _detached_and_undone("old")
    for statement in altered.split(";"):
        own.execute(statement)
    before = owner.there()
    _detached_and_undone("old")
    assert owner.there() == before


def test_the_catalogue_is_read_again_only_after_a_change(
    own: OwnTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, tables = catalogue.read, list[str]()

    def counting(connection: Any, schema: str, name: str) -> Any:
        tables.append(name)
        return read(connection, schema, name)

    monkeypatch.setattr(catalogue, "read", counting)
    owner = Owner(own, "old")
    for number in range(5):
        owner.add(number)
    _detached_and_undone("old")
    assert sorted(tables) == ["links", "tags"]
    own.execute("ANALYZE links")
    _detached_and_undone("old")
    assert sorted(tables) == ["links", "tags"]
    own.execute("ALTER TABLE tags ADD COLUMN more text")
    _detached_and_undone("old")
    assert sorted(tables) == ["links", "links", "tags", "tags"]
