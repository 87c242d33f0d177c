"""Jobs on an application's own tag tables: what goes, what stays, and what comes back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from tagsweep.worker.mapping import file
from tagsweep.worker.models.jobs import AttachJob, DetachJob, UndoJob
from tests.servers import Postgres
from tests.support import driving, receipts
from tests.support.own_tables import (
    ARTICLES,
    AUTHORS,
    TAGGIT,
    TAGGIT_MAP,
    TENANT,
    OwnTables,
    mapped,
)
from tests.support.stores import attached, counts


@pytest.fixture
def own(postgres_server: Postgres, postgres_template: str, tmp_path: Path) -> Iterator[OwnTables]:
    """A taggit-like application, whose tables this process works on."""
    url = postgres_server.create_database(postgres_template)
    with mapped(url, tmp_path, TAGGIT, TAGGIT_MAP) as found:
        yield found
    postgres_server.drop_database(url)


def _detach(names: list[str], **options: Any) -> DetachJob:
    return DetachJob.parse({"tenant": TENANT, "names": names, **options})


def _undo(job_id: str, **options: Any) -> dict[str, Any]:
    body = {"tenant": TENANT, "job": job_id, **options}
    return driving.run_recorded(driving.record(UndoJob.parse(body)))


def test_links_go_and_the_rest_stays(own: OwnTables) -> None:
    old = own.tag("old", range(10))
    own.tag("old", range(5), AUTHORS)
    own.tag("new", range(10))
    done = driving.run(_detach(["old", "none"], resources={"articles": [1, "2", 3, 99]}))
    assert (done["status"], done["counts"]) == ("succeeded", counts(total=4, removed=3, absent=1))
    assert done["tags"] == [{"id": old, "name": "old"}]
    gone = {("old", ARTICLES, number) for number in (1, 2, 3)}
    assert {(name, kind, o) for name, kind, o in own.links() if name == "old"} == (
        {("old", ARTICLES, o) for o in range(10)} | {("old", AUTHORS, o) for o in range(5)}
    ) - gone
    assert own.counters() == {"old": 12, "new": 10}
    told = {
        (row["resource_type"], row["resource"], row["outcome"])
        for row in receipts.read(UUID(done["job_id"]))
    }
    assert told == {
        *(("articles", number, "removed") for number in (1, 2, 3)),
        ("articles", 99, "absent"),
    }


@pytest.mark.parametrize("resources", [{"articles": "*"}, {"articles": list(range(0, 300, 2))}])
def test_an_undo_restores_each_row_as_it_was(own: OwnTables, resources: dict[str, Any]) -> None:
    own.tag("old", range(300))
    own.tag("new", range(200))
    own.tag("old", range(20), AUTHORS)
    driving.chunk_size(64)
    before, counted = own.digest(), own.counters()
    done = driving.run(_detach(["old", "new"], resources=resources))
    assert done["status"] == "succeeded"
    assert own.digest() != before
    undone = _undo(done["job_id"])
    assert (undone["status"], undone["counts"]["added"]) == ("succeeded", done["counts"]["removed"])
    assert own.digest() == before
    assert own.counters() == counted
    redone = _undo(undone["job_id"])
    assert redone["counts"]["removed"] == done["counts"]["removed"]
    assert _undo(redone["job_id"])["status"] == "succeeded"
    assert own.digest() == before


def test_a_preview_and_a_guard_change_nothing(own: OwnTables) -> None:
    own.tag("old", range(30))
    before = own.digest(), own.digest("taggit_tag")
    preview = driving.run(_detach(["old"], resources={"articles": "*"}, dry_run=True))
    assert preview["counts"] == counts(total=30, removed=30)
    guarded = driving.run(_detach(["old"], resources={"articles": "*"}, max_affected=29))
    assert guarded["status"] == "rejected"
    assert (own.digest(), own.digest("taggit_tag")) == before


def test_a_link_added_after_acceptance_survives(own: OwnTables) -> None:
    own.tag("old", [1, 2])
    job_id = driving.record(_detach(["old"], resources={"articles": "*"}))
    own.tag("old", [3])
    driving.split(job_id)
    own.tag("old", [4])
    done = driving.finish(job_id)
    assert done["counts"] == counts(total=2, removed=2)
    assert done["remaining"] == 2
    assert own.links() == {("old", ARTICLES, 3), ("old", ARTICLES, 4)}


LATE = "INSERT INTO taggit_taggeditem (id, object_id, content_type_id, tag_id) VALUES "


@pytest.mark.parametrize("key, survives", [(1_000, True), (500, False)])
def test_of_what_is_committed_after_acceptance_the_serial_key_decides(
    own: OwnTables, key: int, *, survives: bool
) -> None:
    """A key above the highest that was visible survives; a lower one may have been taken before."""
    tag = own.tag("old", [1])
    own.execute("UPDATE taggit_taggeditem SET id = 900")
    with own.store.transaction() as theirs:
        row = {"key": key, "tag": tag, "kind": ARTICLES}
        theirs.execute(text(f"{LATE} (:key, 2, :kind, :tag)"), row)
        job_id = driving.record(_detach(["old"], resources={"articles": "*"}))
    done = driving.run_recorded(job_id)
    assert done["counts"]["removed"] == (1 if survives else 2)
    assert own.links() == ({("old", ARTICLES, 2)} if survives else set())
    receipts.agrees(own.store, job_id)


def test_an_attach_skips_names_that_it_may_not_create(own: OwnTables) -> None:
    own.tag("old", [1])
    job = AttachJob.parse(
        {"tenant": TENANT, "names": ["old", "unknown"], "resources": {"articles": [1, 2]}}
    )
    done = driving.run(job)
    assert done["counts"] == attached(total=2, added=1, present=1)
    reason = 'There is no tag "unknown".'
    told = {"path": "/names/1", "code": "unknown_tag", "reason": reason}
    assert done["warnings"] == [told]
    assert own.links() == {("old", ARTICLES, 1), ("old", ARTICLES, 2)}
    assert own.counters() == {"old": 2}
    undone = _undo(done["job_id"])
    assert undone["counts"] == counts(total=1, removed=1)
    assert own.links() == {("old", ARTICLES, 1)}
    assert own.counters() == {"old": 1}


def test_what_matches_nothing_is_said_with_the_nearest_name_of_the_application(
    own: OwnTables,
) -> None:
    own.tag("legacy", [1])
    for kind in (DetachJob, AttachJob):
        some = {"tenant": TENANT, "names": ["legacy", "legaci"], "resources": {"articles": [1]}}
        done = driving.run(kind.parse(some))
        (told,) = done["warnings"]
        assert (told["path"], told["code"]) == ("/names/1", "unknown_tag")
        assert told["reason"].endswith('Did you mean "legacy"?')
        before = own.links()
        strict = driving.run(kind.parse({**some, "strict": True}))
        assert (strict["status"], own.links()) == ("rejected", before)


@pytest.mark.parametrize("kind", [DetachJob, AttachJob])
@pytest.mark.parametrize("more", [{}, {"dry_run": True}])
def test_a_name_that_several_tags_have_rejects_the_job(
    own: OwnTables, kind: type[DetachJob | AttachJob], more: dict[str, Any]
) -> None:
    own.execute("ALTER TABLE taggit_tag DROP CONSTRAINT taggit_tag_name_key")
    own.tag("old", [1])
    own.execute("INSERT INTO taggit_tag (name, slug) VALUES ('old', 'old again')")
    own.tag("new", [1])
    file.load.cache_clear()
    before = own.digest(), own.digest("taggit_tag")
    some = {"tenant": TENANT, "resources": {"articles": [1, 2]}, **more}
    done = driving.run(kind.parse({**some, "names": ["new", "old"]}))
    assert done["status"] == "rejected"
    assert [(one["path"], one["code"]) for one in done["errors"]] == [
        ("/names/1", "ambiguous_name")
    ]
    assert (own.digest(), own.digest("taggit_tag")) == before
    assert driving.run(kind.parse({**some, "names": ["new"]}))["status"] == "succeeded"


@pytest.mark.parametrize("kind", [DetachJob, AttachJob])
def test_a_tag_with_a_negative_id_is_none(
    own: OwnTables, kind: type[DetachJob | AttachJob]
) -> None:
    own.execute("INSERT INTO taggit_tag (id, name, slug) VALUES (-1, 'old', 'old')")
    own.tag("old", [1, 2])
    before = own.digest(), own.digest("taggit_tag")
    some = {"tenant": TENANT, "names": ["old"], "resources": {"articles": [1, 3]}}
    done = driving.run(kind.parse(some))
    assert (done["status"], done["tags"]) == ("succeeded", [])
    assert {one["code"] for one in done["warnings"]} >= {"unknown_tag"}
    assert (own.digest(), own.digest("taggit_tag")) == before


def test_what_an_undo_put_back_after_acceptance_is_spared(own: OwnTables) -> None:
    own.tag("old", range(6))
    first = driving.run(_detach(["old"], resources={"articles": [0, 1, 2]}))
    running = driving.record(_detach(["old"], resources={"articles": "*"}))
    assert _undo(first["job_id"])["counts"] == attached(total=3, added=3)
    done = driving.run_recorded(running)
    assert done["counts"]["removed"] == 3
    assert own.links() == {("old", ARTICLES, number) for number in (0, 1, 2)}


def test_a_column_of_theirs_that_refuses_costs_its_items_alone(own: OwnTables) -> None:
    own.tag("old", range(40))
    own.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF OLD.object_id IN (3, 17) THEN RAISE EXCEPTION 'kept by law'; END IF; "
        "RETURN OLD; END $$"
    )
    own.execute(
        "CREATE TRIGGER refusing BEFORE DELETE ON taggit_taggeditem "
        "FOR EACH ROW EXECUTE FUNCTION refuse()"
    )
    job_id = driving.opened(_detach(["old"], resources={"articles": list(range(40))}))
    done = driving.finish(job_id)
    assert (done["status"], done["counts"]) == ("partial", counts(total=40, removed=38, failed=2))
    assert done["errors"][0]["path"] == "/resources/articles"
    assert done["errors"][0]["reason"].startswith("3: ")
    assert own.counters() == {"old": 2}
    own.execute("DROP TRIGGER refusing ON taggit_taggeditem")
    again = driving.retry(job_id)
    assert again["counts"] == counts(total=40, removed=40)
    assert own.counters() == {"old": 0}
