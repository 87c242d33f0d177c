"""No UPDATE of a table that may be distributed calls a volatile function: Citus refuses it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event

from tagsweep.worker import database
from tagsweep.worker.models.jobs import UndoJob
from tests.support import driving
from tests.support.stores import Store, new_ids

DISTRIBUTED = ("tag", "tag_link", "workspace", "workspace_tag")
_CHANGES = re.compile(
    rf'\bUPDATE (?:"?\w+"?\.)?(?:{"|".join(DISTRIBUTED)})\b.*|DO UPDATE SET .*', re.DOTALL
)
_VOLATILE = re.compile(r"\b(clock_timestamp|timeofday|random|gen_random_uuid|nextval)\(")


@pytest.fixture
def statements(postgres_store: Store) -> Iterator[list[str]]:
    """Every statement that this process has sent."""
    told: list[str] = []

    def keep(_: Any, __: Any, statement: str, *___: Any) -> None:
        told.append(statement)

    del postgres_store  # there first: it decides which engine this process has
    engine = database.engine()
    event.listen(engine, "before_cursor_execute", keep)
    yield told
    event.remove(engine, "before_cursor_execute", keep)


def is_refused(statement: str) -> bool:
    """Tell whether a statement changes rows of such a table with a volatile function."""
    return any(_VOLATILE.search(found[0]) for found in _CHANGES.finditer(statement))


def test_what_would_be_refused_is_recognized() -> None:
    assert is_refused("UPDATE tagsweep.tag SET updated_at=clock_timestamp() WHERE true")
    assert is_refused("WITH held AS (SELECT 1) UPDATE tag SET x = 1 WHERE y < clock_timestamp()")
    assert is_refused("INSERT INTO workspace_tag VALUES (1) ON CONFLICT DO UPDATE SET a=random()")
    assert not is_refused("UPDATE tagsweep.job SET started_at=clock_timestamp()")


def test_jobs_of_all_kinds_change_such_tables_without_volatile_functions(
    statements: list[str], postgres_store: Store, tenant: str
) -> None:
    ids = new_ids(5)
    for name in ("a", "b"):
        postgres_store.tag(tenant, name, tables=ids)
    postgres_store.workspace(tenant, "w", {"env": "prod"})
    done = driving.finish(driving.opened(driving.detach_job(tenant, ["a", "b"], tables=ids)))
    assert done["counts"]["removed"] == 10
    undo = UndoJob.parse({"tenant": tenant, "job": done["job_id"]})
    assert driving.finish(driving.opened(undo))["counts"]["added"] == 10
    driving.finish(driving.opened(driving.detach_job(tenant, ["a"], tables="*")))
    assert any("UPDATE" in one and ".tag " in one for one in statements)
    assert [one for one in statements if is_refused(one)] == []


def test_the_catalogue_sets_tags_anew_without_volatile_functions(
    postgres_store: Store, tenant: str
) -> None:
    told: list[str] = []
    event.listen(
        postgres_store.engine,
        "before_cursor_execute",
        lambda _, __, statement, *___: told.append(statement),
    )
    postgres_store.workspace(tenant, "w", {"env": "prod"})
    postgres_store.workspace(tenant, "w", {"env": "test"})
    assert any("DO UPDATE" in one for one in told)
    assert [one for one in told if is_refused(one)] == []
