"""Maps of every kind: what a job takes off comes back, and an attach can be undone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from tagsweep.worker import database
from tagsweep.worker.chunks import batches
from tagsweep.worker.errors import InvalidJob
from tagsweep.worker.jobs.batch_ends import NewJob
from tagsweep.worker.jobs.derived import runs
from tagsweep.worker.mapping import checking, file, resolving
from tagsweep.worker.models.jobs import AttachJob, DetachJob, MergeJob, UndoJob
from tagsweep.worker.models.run import RunRequest
from tagsweep.worker.store.inventory.mapped import MappedInventory
from tests.servers import Postgres
from tests.support import driving
from tests.support.map_kinds import KINDS, Kind
from tests.support.own_tables import OwnTables, mapped
from tests.support.stores import attached, counts

pytestmark = pytest.mark.slow


class Tables:
    """The tables of one kind of map."""

    def __init__(self, own: OwnTables, kind: Kind) -> None:
        self.own = own
        self.kind = kind

    def digest(self) -> str:
        """Return the md5 of what an undo brings back."""
        (row,) = self.own.execute(
            f"SELECT md5(string_agg({self.kind.compared}, chr(10) ORDER BY {self.kind.compared})) "
            f"AS sum FROM {self.kind.links} AS row"
        )
        return str(row.sum)

    def count(self) -> int:
        """Return how many rows the table of links has."""
        return int(self.own.execute(f"SELECT count(*) AS n FROM {self.kind.links}")[0].n)


@pytest.fixture(params=KINDS)
def tables(
    request: pytest.FixtureRequest,
    postgres_server: Postgres,
    postgres_template: str,
    tmp_path: Path,
) -> Iterator[Tables]:
    """The tables of each kind of map, in a database whose own settings are odd ones."""
    kind = KINDS[request.param]
    url = postgres_server.create_database(postgres_template)
    with mapped(url, tmp_path, kind.tables, kind.toml) as own:
        name = own.execute("SELECT current_database() AS name")[0].name
        for setting in ("DateStyle = 'SQL, DMY'", "IntervalStyle = 'sql_standard'"):
            own.execute(f'ALTER DATABASE "{name}" SET {setting}')
        own.execute(f'ALTER DATABASE "{name}" SET extra_float_digits = -10')
        own.create(kind.filled())
        own.store.engine.dispose()
        yield Tables(own, kind)
    postgres_server.drop_database(url)


def _parsed(tables: Tables, kind: type[Any], names: list[str], **options: Any) -> Any:
    return kind.parse({"tenant": tables.kind.tenant, "names": names, **options})


def _undo(tables: Tables, job_id: str) -> dict[str, Any]:
    body = UndoJob.parse({"tenant": tables.kind.tenant, "job": job_id})
    return driving.run_recorded(driving.record(body))


@pytest.mark.parametrize("every", [False, True], ids=["listed", "every"])
def test_what_is_taken_off_comes_back_as_it_was(tables: Tables, *, every: bool) -> None:
    driving.chunk_size(8)
    before, rows = tables.digest(), tables.count()
    ids: Any = "*" if every else tables.kind.ids[:20]
    changed = 30 if every else 20
    job = _parsed(tables, DetachJob, ["old"], resources={"things": ids})
    preview = driving.run(
        _parsed(tables, DetachJob, ["old"], resources={"things": ids}, dry_run=True)
    )
    assert preview["counts"] == counts(total=changed, removed=changed)
    assert tables.digest() == before
    done = driving.run(job)
    assert (done["status"], done["counts"]) == ("succeeded", counts(total=changed, removed=changed))
    assert tables.count() == rows - changed * tables.kind.rows
    undone = _undo(tables, done["job_id"])
    assert (undone["status"], undone["counts"]) == (
        "succeeded",
        attached(total=changed, added=changed),
    )
    assert (tables.digest(), tables.count()) == (before, rows)


def test_what_is_put_on_can_be_taken_off_again(tables: Tables) -> None:
    before, rows = tables.digest(), tables.count()
    job = _parsed(tables, AttachJob, ["old", "new"], resources={"things": tables.kind.new})
    done = driving.run(job)
    added = 5 if tables.kind.creates else 2
    assert (done["status"], done["counts"]) == (
        "succeeded",
        attached(total=added + 1, added=added, present=1),
    )
    assert tables.count() == rows + added
    again = driving.run(_parsed(tables, AttachJob, ["old"], resources={"things": tables.kind.new}))
    assert again["counts"] == attached(total=3, present=3)
    undone = _undo(tables, done["job_id"])
    assert undone["counts"] == counts(total=added, removed=added)
    assert (tables.digest(), tables.count()) == (before, rows)


def test_what_is_merged_keeps_its_rows_and_comes_back_as_it_was(tables: Tables) -> None:
    driving.chunk_size(8)
    if not tables.kind.creates:
        tables.own.execute("INSERT INTO tags (id, name) SELECT max(id) + 1, 'new' FROM tags")
    driving.run(_parsed(tables, AttachJob, ["new"], resources={"things": tables.kind.ids[:3]}))
    before, rows = tables.digest(), tables.count()
    asked: dict[str, Any] = {"into": "new", "resources": {"things": "*"}}
    preview = driving.run(_parsed(tables, MergeJob, ["old"], dry_run=True, **asked))
    assert tables.digest() == before
    done = driving.run(_parsed(tables, MergeJob, ["old"], **asked))
    assert (done["status"], done["counts"]["moved"], done["counts"]["present"]) == (
        *("succeeded", 27, 3),
    )
    assert preview["counts"] == done["counts"]
    after = tables.digest()
    assert tables.count() == rows - 3 * tables.kind.rows
    for expected in (before, after, before):
        done = _undo(tables, done["job_id"])
        assert (done["status"], tables.digest()) == ("succeeded", expected)
    assert tables.count() == rows


def test_small_jobs_are_done_together_and_each_can_be_undone(tables: Tables) -> None:
    before, rows = tables.digest(), tables.count()
    ids, new = tables.kind.ids, tables.kind.new[1:]
    wanted: list[tuple[type[Any], list[str], Any]] = [
        (DetachJob, ["old"], ids[:6]),
        (DetachJob, ["old", "none"], ids[4:9]),
        (AttachJob, ["old"], [*ids[:2], *new]),
        (AttachJob, ["new"], new),
    ]
    jobs = [
        _parsed(tables, kind, names, resources={"things": some}) for kind, names, some in wanted
    ]
    orders = [NewJob(uuid4(), job, job.fingerprint()) for job in jobs]
    with database.transaction() as connection:
        ended = batches.apply(connection, orders).ended
    assert [ended[order.job_id].event["data"]["counts"] for order in orders] == [
        counts(total=6, removed=6),
        counts(total=5, removed=3, absent=2),
        attached(total=4, added=4),
        attached(total=2, added=2) if tables.kind.creates else attached(),
    ]
    for order in reversed(orders):
        if ended[order.job_id].job.changed:
            assert _undo(tables, str(order.job_id))["status"] == "succeeded"
    assert (tables.digest(), tables.count()) == (before, rows)


def test_what_carries_tags_is_listed_page_by_page(tables: Tables) -> None:
    kind = tables.kind
    mapping = file.load()
    assert mapping is not None
    ids = [UUID(str(each)) for each in kind.ids] if kind.uuids else kind.ids
    with database.reading() as connection:
        one = resolving.resource(connection, mapping, "things")
        found = MappedInventory(connection, one, kind.tenant)
        assert found.count() == 30
        listed: list[Any] = []
        while page := found.page(_cursor(listed[-1]) if listed else None, 7):
            assert {tag["name"] for each in found.tags_of(page).values() for tag in each} == {"old"}
            assert list(found.tags_of(page)) == page
            listed += page
        assert listed == sorted(ids)
        assert found.page(_cursor(listed[10]), 4, back=True) == listed[9:5:-1]
        assert found.page(None, 4, offset=28) == listed[28:]
        for tenant in ("nobody", f"00{kind.tenant}"[:36]):
            other = MappedInventory(connection, one, tenant)
            assert (other.count(), other.page(None, 7)) == (0, [])


def _cursor(id_: Any) -> UUID:
    return UUID(int=id_) if isinstance(id_, int) else id_


@pytest.mark.parametrize(
    "tables", ["tenants that are numbers", "tenants that are UUIDs"], indirect=True
)
def test_a_tenant_in_another_spelling_has_no_tags_and_gets_none(tables: Tables) -> None:
    before, tags = tables.digest(), len(tables.own.execute("SELECT id FROM tags"))
    own = tables.kind.tenant
    for tenant in ("acme", f"00{own}"[:36], own.upper(), "9" * 20):
        if tenant == own:
            continue
        some = {
            "tenant": tenant,
            "names": ["old", "new"],
            "resources": {"things": [*tables.kind.new]},
        }
        attached_ = driving.run(AttachJob.parse(some))
        (error,) = attached_["errors"]
        assert (attached_["status"], error["path"]) == ("rejected", "/tenant")
        assert "has no such tenant: tenants are " in error["reason"]
        assert driving.run(DetachJob.parse(some))["counts"] == counts(total=0)
        assert tables.digest() == before
        assert len(tables.own.execute("SELECT id FROM tags")) == tags


def test_of_a_table_with_times_and_no_other_conditions_on_times_are_met(tables: Tables) -> None:
    before = tables.digest()
    asked = {"resources": {"things": "*"}, "attached_before": "2999-01-01T00:00:00Z"}
    job = _parsed(tables, DetachJob, ["old"], **asked)
    if "created_at" not in tables.kind.toml.partition("[resources")[2]:
        with pytest.raises(InvalidJob, match="no created_at"):
            checking.check(job)
        return
    checking.check(job)
    early = {**asked, "attached_before": "2000-01-01T00:00:00Z"}
    assert driving.run(_parsed(tables, DetachJob, ["old"], **early))["counts"] == counts()
    done = driving.run(job)
    assert done["counts"] == counts(total=30, removed=30)
    assert _undo(tables, done["job_id"])["counts"] == attached(total=30, added=30)
    assert tables.digest() == before


def test_what_carries_another_tag_is_left_alone(tables: Tables) -> None:
    if not tables.kind.creates:
        pytest.skip("no other tag can be made there")
    things = {"things": tables.kind.ids[:3]}
    driving.run(_parsed(tables, AttachJob, ["hold"], resources=things))
    asked: dict[str, Any] = {"resources": {"things": "*"}, "unless": ["hold"]}
    preview = driving.run(_parsed(tables, DetachJob, ["old"], dry_run=True, **asked))
    assert preview["counts"] == counts(total=27, removed=27)
    asked = {"resources": {"things": tables.kind.ids}, "unless": ["hold"]}
    done = driving.run(_parsed(tables, DetachJob, ["old"], **asked))
    assert done["counts"] == counts(total=30, removed=27, absent=3)
    unknown = {**asked, "unless": ["hald"]}
    with pytest.raises(InvalidJob, match='no tag "hald"'):
        driving.record(_parsed(tables, DetachJob, ["old"], **unknown))


def test_what_a_preview_has_shown_is_run_and_comes_back(tables: Tables) -> None:
    driving.chunk_size(8)
    before, gone = tables.digest(), {"things": tables.kind.ids[:5]}
    asked = {"resources": {"things": "*"}, "dry_run": True}
    preview = driving.run(_parsed(tables, DetachJob, ["old"], **asked))
    taken = driving.run(_parsed(tables, DetachJob, ["old"], resources=gone))
    more = {"things": tables.kind.new[1:]}
    added = driving.run(_parsed(tables, AttachJob, ["old"], resources=more))
    assert added["counts"]["added"] == 2
    wanted = RunRequest.parse({"tenant": tables.kind.tenant, "job": preview["job_id"]})
    with database.transaction() as connection:
        job, _ = runs.record(connection, wanted)
    done = driving.run_recorded(job.id)
    assert (done["counts"], done["remaining"]) == (counts(total=30, removed=25, absent=5), 2)
    for one in (done, added, taken):
        _undo(tables, one["job_id"])
    assert tables.digest() == before
