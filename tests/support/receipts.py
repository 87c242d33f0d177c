"""Read receipts, and compare them with the store that there was, and the one that there is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import text

from tagsweep.worker.jobs import receipt
from tagsweep.worker.models.views import OUTCOMES, words
from tests.support import configurations
from tests.support.stores import Store

Entry = dict[str, Any]

_KEEP_POSTGRESQL = (
    "CREATE TABLE kept (place text PRIMARY KEY)",
    """
CREATE FUNCTION keep_link() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF EXISTS (SELECT FROM kept WHERE place = replace(OLD.{resource}::text, '-', '')) THEN
        RAISE EXCEPTION 'it is under contract';
    END IF;
    IF TG_OP = 'UPDATE' THEN RETURN NEW; END IF;
    RETURN OLD;
END $$""",
    """
CREATE FUNCTION keep_tag() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF EXISTS (SELECT FROM kept WHERE place = OLD.workspace_id || ' ' || OLD.key) THEN
        RAISE EXCEPTION 'it is under contract';
    END IF;
    RETURN OLD;
END $$""",
    """
CREATE TRIGGER keep BEFORE DELETE OR UPDATE ON {links} FOR EACH ROW EXECUTE FUNCTION keep_link()
""",
    "CREATE TRIGGER keep BEFORE DELETE ON workspace_tag FOR EACH ROW EXECUTE FUNCTION keep_tag()",
)
_KEEP_SQLITE = """
CREATE TABLE kept (place text PRIMARY KEY);
CREATE TRIGGER keep_link BEFORE DELETE ON tag_link
WHEN EXISTS (SELECT 1 FROM kept WHERE place = lower(hex(OLD.resource_id)))
BEGIN SELECT RAISE(ABORT, 'it is under contract'); END;
CREATE TRIGGER keep_tag BEFORE DELETE ON workspace_tag
WHEN EXISTS (SELECT 1 FROM kept WHERE place = OLD.workspace_id || ' ' || OLD.key)
BEGIN SELECT RAISE(ABORT, 'it is under contract'); END;
"""


def refusing(store: Store) -> None:
    """Let the store refuse to remove what ``keep`` names."""
    if store.engine.dialect.name == "sqlite":
        with store.engine.connect() as connection:
            raw: Any = connection.connection.driver_connection
            raw.executescript(_KEEP_SQLITE)
        return
    with store.transaction() as connection:
        for statement in _KEEP_POSTGRESQL:
            names = {"links": store.tables.links, "resource": store.tables.resource}
            connection.execute(text(statement.format(**names)))


def keep(store: Store, places: Iterable[str]) -> None:
    """Let the store refuse these, a resource's id or a workspace with a key, and no others."""
    with store.transaction() as connection:
        connection.execute(text("DELETE FROM kept"))
        rows = [
            {"place": place.replace("-", "") if " " not in place else place} for place in places
        ]
        if rows:
            connection.execute(text("INSERT INTO kept VALUES (:place)"), rows)


def read(job_id: UUID, *outcomes: str) -> list[Entry]:
    """Return the rows of a receipt, with resources as tests name them."""
    rows = list(receipt.entries(job_id, None, outcomes or OUTCOMES))
    for row in rows:
        if row.get("resource") is not None:
            row["resource"] = configurations.active().tables.named(row["resource"])
    return rows


def agrees(store: Store, job_id: UUID) -> list[Entry]:
    """Return a receipt; assert that it tells each item once, and comes to the job's counts."""
    found = read(job_id)
    named = (entry for entry in found if entry.get("resource", entry.get("workspace")))
    # a key that went counts for the first item that fits: a later one, absent, may look the same
    items = [(item(entry), entry.get("key") and entry["outcome"]) for entry in named]
    assert len(items) == len(set(items))
    job = store.job(job_id)
    changed, unchanged = words(job.reverts or job.kind, adds=job.adds)
    told = {changed: job.removed - job.present, unchanged: job.absent, "failed": job.failed}
    told["unprocessed"] = job.total - job.present - sum(told.values())
    if job.present:
        told["present"] = job.present
    counted: Counter[str] = Counter()
    for entry in found:
        counted[entry["outcome"]] += entry.get("count", 1)
    assert {name: counted[name] for name in told} == told
    return found


def item(entry: Entry) -> tuple[Any, ...]:
    """Return which item a row is about; of a tag of a workspace its value is what was removed."""
    if "tag" in entry:
        return (entry["tag"], entry["resource_type"], entry["resource"])
    return (entry["workspace"], entry["key"], entry["value"], entry["system"])
