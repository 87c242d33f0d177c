"""Tags as they are listed, created and renamed in the store."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from tagsweep.worker import database
from tagsweep.worker.errors import NameTaken, NoSuchTag
from tagsweep.worker.models.requester import UNKNOWN
from tagsweep.worker.models.tables import audit_entry
from tagsweep.worker.store.inventory import tag_list
from tagsweep.worker.store.inventory.tag_list import TagFilter
from tagsweep.worker.store.tags import naming
from tests.support.stores import Store, new_ids, new_tenant

pytestmark = pytest.mark.not_mapped("tags as resources are those of our own table")
NAMES = ["alpha", "Beta", "beta 2", "gamma_1", "gamma%1", "päckchen"]


@pytest.fixture
def named(store: Store, tenant: str) -> str:
    """A tenant whose tags have NAMES, and another one with tags of the same names."""
    for owner in (tenant, new_tenant()):
        for name in NAMES:
            store.tag(owner, name)
    return tenant


def _names(wanted: TagFilter) -> list[str]:
    with database.reading() as connection:
        found = [one["name"] for one in tag_list.page(connection, wanted, None, 100)]
        assert len(found) == tag_list.count(connection, wanted)
    return found


@pytest.mark.parametrize(
    "search, found",
    [
        ("", set(NAMES)),
        ("BET", {"Beta", "beta 2"}),
        ("_", {"gamma_1"}),
        ("%", {"gamma%1"}),
        ("äck", {"päckchen"}),
        ("nothing", set()),
    ],
)
def test_a_search_finds_a_part_of_the_name_in_either_case(
    named: str, search: str, found: set[str]
) -> None:
    assert set(_names(TagFilter(named, search))) == found


def test_names_are_matched_exactly_and_only_within_the_tenant(named: str) -> None:
    assert _names(TagFilter(named, names=["beta", "alpha", "gamma_1"])) == ["alpha", "gamma_1"]
    assert _names(TagFilter(new_tenant(), names=["alpha"])) == []


def test_pages_forward_and_back_show_each_tag_once(named: str) -> None:
    wanted = TagFilter(named)
    with database.reading() as connection:
        whole = tag_list.page(connection, wanted, None, 100)
        names = [one["name"] for one in whole]
        after = tag_list.page(connection, wanted, names[2], 2)
        before = tag_list.page(connection, wanted, names[2], 2, back=True)
        second = tag_list.page(connection, wanted, None, 2, offset=2)
    assert [one["name"] for one in after] == names[3:5]
    assert [one["name"] for one in before] == names[1::-1]
    assert second == whole[2:4]


def test_links_are_counted_up_to_a_limit(
    store: Store, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tag_list, "MOST_LINKS", 3)
    store.tag(tenant, "three", tables=new_ids(2), folders=new_ids(1))
    store.tag(tenant, "four", tables=new_ids(4))
    store.tag(tenant, "none")
    with database.reading() as connection:
        found = tag_list.page(connection, TagFilter(tenant), None, 10)
        shown = {one["name"]: one for one in tag_list.with_links(connection, found)}
    assert shown["none"]["links"] == 0
    assert (shown["three"]["links"], "links_truncated" in shown["three"]) == (3, False)
    assert (shown["four"]["links"], shown["four"]["links_truncated"]) == (3, True)


def test_a_tag_is_created_once(store: Store, tenant: str) -> None:
    with database.transaction() as connection:
        made = naming.create(connection, tenant, "new", UNKNOWN)
        with pytest.raises(NameTaken):
            naming.create(connection, tenant, "new", UNKNOWN)
        naming.create(connection, new_tenant(), "new", UNKNOWN)
    assert str(store.tags(tenant)["new"].id) == made["id"]


def test_a_renamed_tag_keeps_its_id_its_links_and_its_age(store: Store, tenant: str) -> None:
    ids = new_ids(2)
    tag_id = store.tag(tenant, "old", tables=ids)
    before = store.tags(tenant)["old"]
    with database.transaction() as connection:
        renamed = naming.rename(connection, tenant, tag_id, "new", UNKNOWN)
    after = store.tags(tenant)["new"]
    assert (renamed["id"], renamed["name"]) == (str(tag_id), "new")
    assert (after.id, after.created_at) == (before.id, before.created_at)
    assert after.updated_at > before.updated_at
    assert store.links(tenant) == {("new", "tables", one) for one in ids}
    with database.reading() as connection:
        entry = connection.execute(select(audit_entry).where(audit_entry.c.tenant == tenant)).one()
    assert (entry.action, entry.target) == ("tag.rename", str(tag_id))
    assert entry.details == {"name": "new", "former": "old"}


def test_what_stands_in_the_way_of_a_name_changes_nothing(store: Store, tenant: str) -> None:
    tag_id = store.tag(tenant, "old")
    store.tag(tenant, "taken")
    before = store.tags(tenant)
    with database.transaction() as connection:
        with pytest.raises(NameTaken):
            naming.rename(connection, tenant, tag_id, "taken", UNKNOWN)
        with pytest.raises(NoSuchTag):
            naming.rename(connection, new_tenant(), tag_id, "free", UNKNOWN)
        assert naming.rename(connection, tenant, tag_id, "old", UNKNOWN)["id"] == str(tag_id)
    assert store.tags(tenant) == before
