"""Detach jobs, from a message to the answer, alike on every stack."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import pytest

from tagsweep.worker.models.events import stamp
from tagsweep.worker.models.ids import RESOURCE_TYPES
from tests.support.stack import Stack
from tests.support.stores import counts, new_ids, new_tenant, shown


def test_links_go_and_tags_stay(stack: Stack, tenant: str) -> None:
    ids = new_ids(3)
    stack.store.tag(tenant, "legacy", tables=ids)
    done = stack.detach(tenant, ["legacy"], tables=ids[:2])
    assert done["status"] == "succeeded"
    assert done["counts"] == counts(total=2, removed=2)
    assert stack.store.links(tenant) == {("legacy", "tables", ids[2])}
    assert set(stack.store.tags(tenant)) == {"legacy"}


def test_the_answer_tells_the_whole_job(stack: Stack, tenant: str) -> None:
    ids = new_ids(2)
    stack.store.tag(tenant, "legacy", tables=ids[:1])
    pending = stack.send("tags.detach", {"tenant": tenant, "names": ["legacy"], "tables": ids})
    done = pending.get(timeout=30)
    row = stack.store.job(pending.id)
    tag = stack.store.tags(tenant)["legacy"]
    assert done == {
        "job_id": pending.id,
        "kind": "detach",
        "tenant": tenant,
        "status": "succeeded",
        "tags": [
            {
                "id": shown(tag.id),
                "name": "legacy",
                "created_at": stamp(tag.created_at),
                "updated_at": stamp(tag.updated_at),
            }
        ],
        "counts": counts(total=2, removed=1, absent=1),
        "accepted_at": stamp(row.accepted_at),
        "started_at": stamp(row.started_at),
        "finished_at": stamp(row.finished_at),
        "errors": [],
        "request": {"names": ["legacy"], "lists": {"tables": 2}},
        "requested_by": {"name": None, "door": "message", "proved": False},
    }
    assert row.status == "succeeded"
    assert row.accepted_at <= row.started_at <= row.finished_at


@pytest.mark.not_mapped("without a list, which is about tagsweep's own tables")
def test_dates_have_six_fraction_digits_and_an_offset(stack: Stack, tenant: str) -> None:
    stack.store.tag(tenant, "legacy")
    done = stack.detach(tenant, ["legacy"])
    dates = [done["tags"][0]["updated_at"], done["accepted_at"], done["finished_at"]]
    for text in dates:
        assert text == datetime.fromisoformat(text).isoformat(timespec="microseconds")
        assert text[-6] in "+-"


def test_every_end_tells_exactly_one_event_with_the_same_data(stack: Stack, tenant: str) -> None:
    ids = new_ids(2)
    stack.store.tag(tenant, "legacy", sources=ids)
    done = stack.detach(tenant, ["legacy"], sources=ids)
    assert stack.events(done["job_id"]) == [
        {
            "specversion": "1.0",
            "id": f"{done['job_id']}.1",
            "source": f"/tagsweep/{tenant}",
            "type": "tagsweep.detach.completed",
            "subject": done["job_id"],
            "time": done["finished_at"],
            "datacontenttype": "application/json",
            "dataref": f"/api/v1/jobs/{done['job_id']}/receipt",
            "data": done,
        }
    ]


def test_each_of_the_eight_types_is_a_resource_of_its_own(stack: Stack, tenant: str) -> None:
    one = new_ids(1)
    stack.store.tag(tenant, "legacy", **dict.fromkeys(RESOURCE_TYPES, one))
    for place, resource_type in enumerate(RESOURCE_TYPES, 1):
        done = stack.detach(tenant, ["legacy"], **{resource_type: one})
        assert done["counts"] == counts(total=1, removed=1)
        left = {("legacy", other, one[0]) for other in RESOURCE_TYPES[place:]}
        assert stack.store.links(tenant) == left


def test_every_tag_goes_off_every_resource(stack: Stack, tenant: str) -> None:
    ids = new_ids(3)
    for name in ("a", "b", "c"):
        stack.store.tag(tenant, name, tables=ids, folders=ids)
    done = stack.detach(tenant, ["a", "b"], tables=ids, folders=ids[:1])
    assert done["counts"] == counts(total=8, removed=8)
    kept = {("c", kind, one) for kind in ("tables", "folders") for one in ids}
    kept |= {(name, "folders", one) for name in ("a", "b") for one in ids[1:]}
    assert stack.store.links(tenant) == kept


def test_an_unknown_name_is_skipped_and_not_created(stack: Stack, tenant: str) -> None:
    ids = new_ids(1)
    stack.store.tag(tenant, "known", tables=ids)
    done = stack.detach(tenant, ["unknown", "known"], tables=ids)
    assert [tag["name"] for tag in done["tags"]] == ["known"]
    assert done["counts"] == counts(total=1, removed=1)
    assert set(stack.store.tags(tenant)) == {"known"}


def test_only_unknown_names_are_a_success_without_items(stack: Stack, tenant: str) -> None:
    done = stack.detach(tenant, ["unknown"], tables=new_ids(3))
    assert (done["status"], done["tags"], done["counts"]) == ("succeeded", [], counts())
    assert stack.store.tags(tenant) == {}


def test_what_is_absent_already_is_a_success(stack: Stack, tenant: str) -> None:
    ids = new_ids(2)
    stack.store.tag(tenant, "legacy", tables=ids)
    first = stack.detach(tenant, ["legacy"], tables=ids)
    again = stack.detach(tenant, ["legacy"], tables=ids)
    assert again["status"] == "succeeded"
    assert again["counts"] == counts(total=2, absent=2)
    assert again["tags"] == first["tags"]


@pytest.mark.not_mapped("on spellings of UUIDs")
def test_duplicates_count_once_in_whatever_spelling(stack: Stack, tenant: str) -> None:
    one = UUID(new_ids(1)[0])
    spellings = [str(one), str(one).upper(), one.hex, one.urn, f"{{{one}}}", str(one)]
    stack.store.tag(tenant, "legacy", tables=[str(one)])
    done = stack.detach(tenant, ["legacy", " legacy ", "legacy"], tables=spellings)
    assert done["counts"] == counts(total=1, removed=1)
    assert len(done["tags"]) == 1
    assert stack.store.links(tenant) == set()


def test_names_are_compared_exactly(stack: Stack, tenant: str) -> None:
    ids = new_ids(1)
    names = ["legacy", "Legacy", "LEGACY", "legacy2", "lega%", "légacy", "le gacy"]
    for name in names:
        stack.store.tag(tenant, name, tables=ids)
    done = stack.detach(tenant, ["Legacy", "lega_y", "le\u0301gacy"], tables=ids)
    assert [tag["name"] for tag in done["tags"]] == ["Legacy"]
    assert {name for name, _, _ in stack.store.links(tenant)} == set(names) - {"Legacy"}


def test_names_are_trimmed(stack: Stack, tenant: str) -> None:
    ids = new_ids(1)
    stack.store.tag(tenant, "two words", tables=ids)
    done = stack.detach(tenant, [" \ttwo words\n "], tables=ids)
    assert done["counts"] == counts(total=1, removed=1)


def test_a_name_of_255_characters_is_a_name(stack: Stack, tenant: str) -> None:
    ids = new_ids(1)
    stack.store.tag(tenant, "ü" * 255, tables=ids)
    done = stack.detach(tenant, ["ü" * 255], tables=ids)
    assert done["counts"] == counts(total=1, removed=1)


@pytest.mark.not_mapped("without a list, which is about tagsweep's own tables")
def test_the_answer_has_the_order_of_the_names(stack: Stack, tenant: str) -> None:
    for name in ("a", "b", "c", "d"):
        stack.store.tag(tenant, name)
    done = stack.detach(tenant, ["d", "x", "b", "d", "a", "b"])
    assert [tag["name"] for tag in done["tags"]] == ["d", "b", "a"]


def test_updated_at_moves_on_exactly_the_tags_that_lost_a_link(stack: Stack, tenant: str) -> None:
    ids = new_ids(3)
    stack.store.tag(tenant, "loses", tables=ids[:1])
    stack.store.tag(tenant, "has no such link", tables=ids[2:])
    stack.store.tag(tenant, "not asked for", tables=ids)
    before = stack.store.tags(tenant)
    done = stack.detach(tenant, ["has no such link", "loses"], tables=ids[:2])
    after = stack.store.tags(tenant)
    moved = {name for name in after if after[name].updated_at != before[name].updated_at}
    assert moved == {"loses"}
    assert after["loses"].updated_at > before["loses"].updated_at
    assert after["loses"].created_at == before["loses"].created_at
    told = {tag["name"]: tag["updated_at"] for tag in done["tags"]}
    assert told == {name: stamp(after[name].updated_at) for name in told}


def test_another_tenant_of_the_same_names_and_ids_is_never_touched(
    stack: Stack, tenant: str
) -> None:
    ids, other = new_ids(2), new_tenant()
    for owner in (tenant, other):
        stack.store.tag(owner, "legacy", tables=ids)
    before = stack.store.tags(other)
    done = stack.detach(tenant, ["legacy"], tables=ids)
    assert done["counts"] == counts(total=2, removed=2)
    assert len(stack.store.links(other)) == 2
    assert stack.store.tags(other) == before


def test_ids_of_another_tenant_change_nothing_and_leak_nothing(stack: Stack, tenant: str) -> None:
    ids, other = new_ids(1), new_tenant()
    stack.store.tag(other, "legacy", tables=ids)
    stack.store.tag(tenant, "legacy")
    done = stack.detach(tenant, ["legacy"], tables=ids)
    unknown = stack.detach(tenant, ["legacy"], tables=new_ids(1))
    assert done["counts"] == unknown["counts"] == counts(total=1, absent=1)
    assert done["tags"] == unknown["tags"]
    assert len(stack.store.links(other)) == 1
