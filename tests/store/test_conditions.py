"""Links are selected by when they were attached, and by what else their resource carries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from tagsweep.worker import database
from tagsweep.worker.errors import InvalidJob
from tagsweep.worker.jobs.derived import runs
from tagsweep.worker.models.ids import number_of
from tagsweep.worker.models.jobs import KINDS, AttachJob, DetachJob, MergeJob, UndoJob
from tagsweep.worker.models.run import RunRequest
from tagsweep.worker.models.tables import tag_link
from tests.support import driving, receipts
from tests.support.driving import detach_job
from tests.support.stores import Link, Store, attached, counts, new_ids, new_tenant
from tests.support.worlds import IDS, NAMES, TYPES, examples, links

#: these tables know when a link came to be
pytestmark = pytest.mark.default_configuration

MORNING = datetime(2026, 1, 31, 6, tzinfo=UTC)
HOURS = range(4)

hours = st.sampled_from([None, *HOURS])


def _at(hour: int | None) -> str | None:
    return None if hour is None else (MORNING + timedelta(hours=hour)).isoformat()


def attach_at(store: Store, tenant: str, name: str, when: str, **lists: list[str]) -> None:
    """Put a tag on resources, as if that had been at ``when``."""
    tag_id = store.tag(tenant, name, **lists)
    moment = datetime.fromisoformat(when)
    with store.transaction() as connection:
        for kind, ids in lists.items():
            these = tag_link.c.tag_id == tag_id, tag_link.c.resource_type == number_of(kind)
            ours = tag_link.c.resource_id.in_([UUID(one) for one in ids])
            connection.execute(update(tag_link).where(*these, ours).values(created_at=moment))


@dataclass
class Case:
    """Links with their hours, and a job with conditions."""

    hours: dict[Link, int]
    names: list[str]
    unless: list[str]
    before: int | None
    after: int | None
    lists: dict[str, Any]
    most: int

    def fill(self, store: Store, tenant: str) -> None:
        """Put it into the store."""
        driving.chunk_size(self.most)
        for name in NAMES:
            store.tag(tenant, name)
        for (name, kind, one), hour in self.hours.items():
            attach_at(store, tenant, name, str(_at(hour)), **{kind: [one]})

    def job(self, tenant: str, **options: Any) -> DetachJob:
        """Return the job."""
        return DetachJob.parse({"tenant": tenant, **self.body(), **options})

    def body(self) -> dict[str, Any]:
        """Return what it asks for."""
        times = {"attached_before": _at(self.before), "attached_after": _at(self.after)}
        return {"names": self.names, "unless": self.unless, **times, **self.lists}

    def can_be_met(self) -> bool:
        """Tell whether there is any time that meets both conditions."""
        return self.before is None or self.after is None or self.before > self.after

    def items(self) -> set[Link]:
        """Return what the job counts: of a list every entry, of all what meets the conditions."""
        some = {
            (name, kind, one)
            for name in self.names
            for kind, ids in self.lists.items()
            for one in (ids if ids != "*" else [])
        }
        every = {link for link in self.hours if self.lists.get(link[1]) == "*"}
        return some | {link for link in every if link[0] in self.names and self._meets(link)}

    def gone(self) -> set[Link]:
        """Return what the job removes."""
        return {link for link in self.items() & self.hours.keys() if self._meets(link)}

    def _meets(self, link: Link) -> bool:
        hour, (_, kind, one) = self.hours[link], link
        if self.before is not None and hour >= self.before:
            return False
        if self.after is not None and hour < self.after:
            return False
        return not any((name, kind, one) in self.hours for name in self.unless)


lists = st.lists(st.sampled_from(IDS), max_size=12) | st.just("*")
cases: st.SearchStrategy[Case] = st.builds(
    Case,
    hours=links.flatmap(
        lambda some: st.fixed_dictionaries({link: st.sampled_from(HOURS) for link in some})
    ),
    names=st.sampled_from([["a"], ["a", "b"]]),
    unless=st.sampled_from([[], ["c"]]),
    before=hours,
    after=hours,
    lists=st.fixed_dictionaries(dict.fromkeys(TYPES, lists)),
    most=st.integers(1, 20),
).filter(lambda case: case.can_be_met())


@pytest.mark.slow
@examples
@given(case=cases, stored=st.booleans())
def test_exactly_what_meets_the_conditions_goes_and_comes_back(
    store: Store, case: Case, *, stored: bool
) -> None:
    tenant = new_tenant()
    case.fill(store, tenant)

    def run(**options: Any) -> dict[str, Any]:
        job = case.job(tenant, **options)
        return driving.run_recorded(driving.record(job)) if stored else driving.run(job)

    before, gone = set(case.hours), case.gone()
    assert store.links(tenant) == before
    expected = counts(total=len(case.items()), removed=len(gone), absent=len(case.items() - gone))
    preview = run(dry_run=True)
    assert (preview["counts"], store.links(tenant)) == (expected, before)
    limited = run(max_affected=len(gone))
    assert (limited["status"], limited["counts"]) == ("succeeded", expected)
    assert store.links(tenant) == before - gone
    told = receipts.agrees(store, UUID(limited["job_id"]))
    removed = {receipts.item(row) for row in told if row["outcome"] == "removed"}
    assert removed == gone
    spared = {receipts.item(row) for row in told if row["outcome"] == "absent" and row["reason"]}
    assert spared == (case.items() - gone) & before
    undo = UndoJob.parse({"tenant": tenant, "job": limited["job_id"]})
    undone = driving.run(undo)
    assert undone["counts"] == attached(total=len(gone), added=len(gone))
    assert store.links(tenant) == before


def test_a_guard_counts_only_what_meets_the_conditions(store: Store, tenant: str) -> None:
    old, new = new_ids(3), new_ids(5)
    attach_at(store, tenant, "a", str(_at(0)), tables=old)
    attach_at(store, tenant, "a", str(_at(2)), tables=new)
    asked = {"tables": "*", "attached_before": _at(1)}
    refused = driving.run(detach_job(tenant, ["a"], max_affected=2, **asked))
    assert (refused["status"], refused["errors"][0]["would_remove"]) == ("rejected", 3)
    done = driving.run(detach_job(tenant, ["a"], max_affected=3, **asked))
    assert (done["counts"], done["remaining"]) == (counts(total=3, removed=3), 0)


def test_what_is_protected_in_the_middle_of_the_job_stays(store: Store, tenant: str) -> None:
    ids = sorted(new_ids(6))
    store.tag(tenant, "a", tables=ids)
    store.tag(tenant, "hold")
    driving.chunk_size(2)
    job_id = driving.opened(detach_job(tenant, ["a"], tables="*", unless=["hold"]))
    driving.step()
    left = sorted(one for _, _, one in store.links(tenant))
    store.tag(tenant, "hold", tables=left[:3])
    done = driving.finish(job_id)
    assert done["counts"] == counts(total=6, removed=3, absent=3)
    assert {one for name, _, one in store.links(tenant) if name == "a"} == set(left[:3])


def test_the_receipt_says_why_something_was_left_alone(store: Store, tenant: str) -> None:
    held, young, old = new_ids(3)
    attach_at(store, tenant, "a", str(_at(0)), tables=[held, old])
    attach_at(store, tenant, "a", str(_at(2)), tables=[young])
    store.tag(tenant, "hold", tables=[held])
    job = detach_job(
        tenant, ["a"], tables=[held, young, old], attached_before=_at(1), unless=["hold"]
    )
    done = driving.run(job)
    told = {row["resource"]: row["reason"] for row in receipts.read(UUID(done["job_id"]))}
    assert told[old] is None
    assert "another time" in told[young]
    assert "unless" in told[held]


@pytest.mark.parametrize("lists", [{"tables": "*"}, {"tables": new_ids(2, seed=1)}])
def test_a_name_in_unless_that_is_no_tag_refuses_the_job(
    store: Store, tenant: str, lists: dict[str, Any]
) -> None:
    store.tag(tenant, "a", tables=new_ids(2, seed=1))
    store.tag(tenant, "legal-hold")
    store.tag(f"{tenant}-b", "legal-hald")
    job = detach_job(tenant, ["a"], unless=["legal-hold", "legal-hald"], **lists)
    done = driving.run(job)
    (error,) = done["errors"]
    assert (done["status"], done["counts"]) == ("rejected", counts())
    assert (error["path"], error["code"]) == ("/unless/1", "unknown_tag")
    assert error["reason"].endswith('Did you mean "legal-hold"?')
    with pytest.raises(InvalidJob) as raised:
        driving.record(job)
    assert raised.value.errors == [error]
    assert len(store.links(tenant)) == 2


def test_a_tag_in_unless_that_is_renamed_meanwhile_still_protects(
    store: Store, tenant: str
) -> None:
    ids = sorted(new_ids(4))
    store.tag(tenant, "a", tables=ids)
    store.tag(tenant, "hold", tables=ids[:1])
    driving.chunk_size(1)
    job_id = driving.opened(detach_job(tenant, ["a"], tables=ids, unless=["hold"]))
    with store.transaction() as connection:
        tags = tag_link.metadata.tables["tagsweep.tag"]
        renamed = update(tags).where(tags.c.tenant == tenant, tags.c.name == "hold")
        connection.execute(renamed.values(name="keep"))
    assert driving.finish(job_id)["counts"] == counts(total=4, removed=3, absent=1)


@pytest.mark.parametrize(
    "body, path, code",
    [
        ({"attached_before": "2026-01-31T12:00:00"}, "/attached_before", "no_zone"),
        ({"attached_after": "2026-01-31"}, "/attached_after", "no_zone"),
        ({"attached_before": "yesterday"}, "/attached_before", "invalid_time"),
        ({"attached_before": 1769860800}, "/attached_before", "invalid_time"),
        ({"attached_after": "0001-01-01T00:00:00+14:00"}, "/attached_after", "invalid_time"),
        ({"attached_before": _at(1), "attached_after": _at(1)}, "/attached_before", "conflicting"),
        ({"attached_before": _at(1), "attached_after": _at(2)}, "/attached_before", "conflicting"),
        ({"unless": ["b", " a "]}, "/unless/1", "conflicting"),
        ({"unless": "b"}, "/unless", "not_a_list"),
        ({"unless": None}, "/unless", "null"),
        ({"unless": [""]}, "/unless/0", "blank"),
        ({"unless": [f"n{number}" for number in range(1_001)]}, "/unless", "max_length"),
        ({"unles": ["b"]}, "/unles", "unknown_field"),
    ],
)
def test_conditions_that_cannot_be_meant_are_refused(
    body: dict[str, Any], path: str, code: str
) -> None:
    with pytest.raises(InvalidJob) as raised:
        DetachJob.parse({"tenant": "acme", "names": ["a"], "tables": "*", **body})
    assert [(error["path"], error["code"]) for error in raised.value.errors] == [(path, code)]


def test_an_attach_has_no_conditions() -> None:
    body = {"tenant": "acme", "names": ["a"], "tables": new_ids(1), "unless": ["b"]}
    with pytest.raises(InvalidJob, match="unless: Unknown field"):
        AttachJob.parse(body)


def test_the_same_moment_in_another_zone_is_the_same_job() -> None:
    body = {"tenant": "acme", "names": ["a"], "tables": "*"}
    texts = ("2026-01-31T12:00:00Z", "2026-01-31T14:00:00.000+02:00")
    one, two = (DetachJob.parse({**body, "attached_before": text}) for text in texts)
    assert one.fingerprint() == two.fingerprint() != DetachJob.parse(body).fingerprint()


@pytest.mark.slow
@examples
@given(case=cases, there=links, unless=st.sampled_from([[], ["c"], ["into"]]), stored=st.booleans())
def test_exactly_what_meets_the_conditions_is_merged_and_comes_back(
    store: Store, case: Case, there: set[Link], unless: list[str], *, stored: bool
) -> None:
    tenant = new_tenant()
    case.unless = unless
    into = {("into", kind, one) for name, kind, one in there if name == "a"}
    case.hours |= dict.fromkeys(into, 0)
    case.fill(store, tenant)
    store.tag(tenant, "into")

    def run(**options: Any) -> dict[str, Any]:
        job = MergeJob.parse({**case.body(), "tenant": tenant, "into": "into", **options})
        return driving.run_recorded(driving.record(job)) if stored else driving.run(job)

    before, gone = set(case.hours), case.gone()
    moved = {("into", kind, one) for _, kind, one in gone} - into
    expected = {
        "total": len(case.items()),
        "moved": len(moved),
        "present": len(gone) - len(moved),
        "absent": len(case.items() - gone),
        "failed": 0,
        "unprocessed": 0,
    }
    preview = run(dry_run=True)
    assert (preview["counts"], store.links(tenant)) == (expected, before)
    done = run(max_affected=len(gone))
    assert (done["status"], done["counts"]) == ("succeeded", expected)
    assert store.links(tenant) == (before - gone) | moved
    receipts.agrees(store, UUID(done["job_id"]))
    undone = driving.run(UndoJob.parse({"tenant": tenant, "job": done["job_id"]}))
    assert undone["status"] == "succeeded"
    assert store.links(tenant) == before


@pytest.mark.parametrize("kind", ["detach", "merge"])
def test_a_run_keeps_to_the_conditions_as_of_its_preview(
    store: Store, tenant: str, kind: str
) -> None:
    early, shown, held, late = (new_ids(2) for _ in range(4))
    attach_at(store, tenant, "a", str(_at(0)), tables=early)
    attach_at(store, tenant, "a", str(_at(1)), tables=[*shown, *held])
    store.tag(tenant, "hold")
    body = {"names": ["a"], "tables": "*", "attached_after": _at(1), "unless": ["hold"]}
    into = {"into": "into"} if kind == "merge" else {}
    job = KINDS[kind].parse({"tenant": tenant, **body, **into, "dry_run": True})
    preview = driving.run(job)
    assert preview["counts"]["total"] == 4
    store.tag(tenant, "a", tables=late)  # later than the condition's time, and than the preview
    store.tag(tenant, "hold", tables=held)
    wanted = RunRequest.parse({"tenant": tenant, "job": preview["job_id"]})
    with database.transaction() as connection:
        job_id = runs.record(connection, wanted)[0].id
    done = driving.run_recorded(job_id)
    changed = done["counts"]["moved" if kind == "merge" else "removed"]
    assert (done["status"], changed) == ("succeeded", 2)
    assert {one for name, _, one in store.links(tenant) if name == "a"} == {*early, *held, *late}
    receipts.agrees(store, job_id)


def test_a_merge_may_spare_what_carries_its_own_tag(store: Store, tenant: str) -> None:
    both, held = new_ids(2)
    store.tag(tenant, "a", tables=[both, held])
    store.tag(tenant, "b", tables=[both])
    store.tag(tenant, "into", tables=[held])
    body = {"names": ["a", "b"], "into": "into", "tables": "*", "unless": ["into"]}
    done = driving.run(MergeJob.parse({"tenant": tenant, **body}))
    assert (done["counts"]["moved"], done["counts"]["present"]) == (1, 1)
    assert store.links(tenant) == {
        ("a", "tables", held),
        ("into", "tables", held),
        ("into", "tables", both),
    }
