"""Delete jobs, from a message to the answer, alike on every stack."""

from __future__ import annotations

import pytest

from tests.support.stack import Stack
from tests.support.stores import adds_up, counts, new_tenant


def test_a_tag_goes_by_its_key(stack: Stack, tenant: str) -> None:
    stack.store.workspace(tenant, "w-1", {"env": "dev", "team": "a"})
    done = stack.delete(tenant, ["w-1"], tags=[{"key": "env"}])
    assert (done["status"], done["kind"]) == ("succeeded", "delete")
    assert done["counts"] == counts(total=1, removed=1)
    assert done["tags"] == [{"key": "env", "value": "dev", "workspaces": 1}]
    assert stack.store.workspace_tags(tenant) == {("w-1", "team", "a", False)}


@pytest.mark.parametrize("tag", [{"key": "env"}, {"key": "env", "value": None}])
def test_without_a_value_any_value_goes(
    stack: Stack, tenant: str, tag: dict[str, str | None]
) -> None:
    stack.store.workspace(tenant, "w-1", {"env": "dev"})
    stack.store.workspace(tenant, "w-2", {"env": ""})
    done = stack.delete(tenant, ["w-1", "w-2"], tags=[tag])
    assert done["counts"] == counts(total=2, removed=2)


def test_an_empty_value_is_no_value(stack: Stack, tenant: str) -> None:
    stack.store.workspace(tenant, "w-1", {"env": "dev"})
    done = stack.delete(tenant, ["w-1"], tags=[{"key": "env", "value": ""}])
    assert done["counts"] == counts(total=1, removed=1)


def test_a_given_value_deletes_only_where_it_equals(stack: Stack, tenant: str) -> None:
    stack.store.workspace(tenant, "w-1", {"env": "dev"})
    stack.store.workspace(tenant, "w-2", {"env": "Dev"})
    stack.store.workspace(tenant, "w-3", {"env": "dev "})
    done = stack.delete(tenant, ["w-1", "w-2", "w-3"], tags=[{"key": "env", "value": "dev"}])
    assert done["counts"] == counts(total=3, removed=1, absent=2)
    left = stack.store.workspace_tags(tenant)
    assert left == {("w-2", "env", "Dev", False), ("w-3", "env", "dev ", False)}


def test_keys_are_compared_exactly(stack: Stack, tenant: str) -> None:
    stack.store.workspace(tenant, "w-1", {"env": "1", "Env": "2", " env": "3", "e%": "4"})
    done = stack.delete(tenant, ["w-1"], tags=[{"key": "env"}, {"key": "e_"}])
    assert done["counts"] == counts(total=2, removed=1, absent=1)
    assert {key for _, key, _, _ in stack.store.workspace_tags(tenant)} == {"Env", " env", "e%"}


def test_system_tags_are_kept_apart(stack: Stack, tenant: str) -> None:
    stack.store.workspace(tenant, "w-1", {"env": "user"}, {"env": "system"})
    first = stack.delete(tenant, ["w-1"], tags=[{"key": "env"}])
    assert first["tags"] == [{"key": "env", "value": "user", "workspaces": 1}]
    assert stack.store.workspace_tags(tenant) == {("w-1", "env", "system", True)}
    second = stack.delete(tenant, ["w-1"], sys_tags=[{"key": "env"}])
    expected = [{"key": "env", "value": "system", "workspaces": 1, "system": True}]
    assert second["tags"] == expected
    assert stack.store.workspace_tags(tenant) == set()


def test_both_sorts_of_tags_go_in_one_job(stack: Stack, tenant: str) -> None:
    stack.store.workspace(tenant, "w-1", {"env": "dev"}, {"env": "dev"})
    done = stack.delete(tenant, ["w-1"], tags=[{"key": "env"}], sys_tags=[{"key": "env"}])
    assert done["counts"] == counts(total=2, removed=2)


def test_a_missing_tag_is_a_success(stack: Stack, tenant: str) -> None:
    stack.store.workspace(tenant, "w-1")
    done = stack.delete(tenant, ["w-1"], tags=[{"key": "env"}])
    assert (done["status"], done["tags"]) == ("succeeded", [])
    assert done["counts"] == counts(total=1, absent=1)


def test_duplicates_of_items_and_workspaces_count_once(stack: Stack, tenant: str) -> None:
    stack.store.workspace(tenant, "w-1", {"env": "dev"})
    same = [{"key": "env"}, {"key": "env", "value": None}, {"key": "env", "value": ""}]
    done = stack.delete(tenant, ["w-1", "w-1"], tags=same)
    assert done["counts"] == counts(total=1, removed=1)


def test_a_removed_tag_counts_for_one_item_only(stack: Stack, tenant: str) -> None:
    stack.store.workspace(tenant, "w-1", {"env": "dev"})
    items = [{"key": "env", "value": "dev"}, {"key": "env"}, {"key": "env", "value": "prod"}]
    done = stack.delete(tenant, ["w-1"], tags=items)
    assert done["counts"] == counts(total=3, removed=1, absent=2)
    assert adds_up(done)


def test_every_item_of_an_unknown_workspace_is_failed(stack: Stack, tenant: str) -> None:
    stack.store.workspace(tenant, "w-1", {"env": "dev"})
    done = stack.delete(tenant, ["w-1", "nowhere"], tags=[{"key": "env"}, {"key": "team"}])
    assert done["status"] == "partial"
    assert done["counts"] == counts(total=4, removed=1, absent=1, failed=2)
    assert done["errors"] == [
        {
            "path": "/workspaces",
            "code": "unknown_workspace",
            "reason": "nowhere: There is no such workspace.",
        }
    ]
    assert stack.store.workspaces(tenant) == {"w-1"}


def test_only_unknown_workspaces_are_partial_too(stack: Stack, tenant: str) -> None:
    done = stack.delete(tenant, ["nowhere"], tags=[{"key": "env"}])
    assert done["status"] == "partial"
    assert done["counts"] == counts(total=1, failed=1)


def test_a_workspace_of_another_tenant_is_unknown_and_untouched(stack: Stack, tenant: str) -> None:
    other = new_tenant()
    stack.store.workspace(other, "w-1", {"env": "dev"})
    stack.store.workspace(other, "w-2", {"env": "dev"})
    stack.store.workspace(tenant, "w-2", {"env": "dev"})
    done = stack.delete(tenant, ["w-1", "w-2"], tags=[{"key": "env"}])
    assert done["counts"] == counts(total=2, removed=1, failed=1)
    assert len(stack.store.workspace_tags(other)) == 2


def test_without_workspaces_nothing_changes(stack: Stack, tenant: str) -> None:
    stack.store.workspace(tenant, "w-1", {"env": "dev"})
    done = stack.delete(tenant, [], tags=[{"key": "env"}])
    assert (done["status"], done["tags"], done["counts"]) == ("succeeded", [], counts())
    assert len(stack.store.workspace_tags(tenant)) == 1


def test_removed_tags_are_told_with_how_many_workspaces_lost_them(
    stack: Stack, tenant: str
) -> None:
    for number in range(5):
        stack.store.workspace(tenant, f"w-{number}", {"env": "dev" if number < 3 else "prod"})
    stack.store.workspace(tenant, "w-0", {"team": "x"})
    names = [f"w-{number}" for number in range(5)]
    done = stack.delete(tenant, names, tags=[{"key": "team"}, {"key": "env"}])
    assert done["tags"] == [
        {"key": "env", "value": "dev", "workspaces": 3},
        {"key": "env", "value": "prod", "workspaces": 2},
        {"key": "team", "value": "x", "workspaces": 1},
    ]
    assert done["counts"] == counts(total=10, removed=6, absent=4)


def test_the_event_of_a_delete_has_its_own_type(stack: Stack, tenant: str) -> None:
    stack.store.workspace(tenant, "w-1", {"env": "dev"})
    done = stack.delete(tenant, ["w-1"], tags=[{"key": "env"}])
    (event,) = stack.events(done["job_id"])
    assert event["type"] == "tagsweep.delete.completed"
    assert event["data"] == done


@pytest.mark.slow
def test_a_delete_of_many_chunks_comes_to_one_end(stack: Stack, tenant: str) -> None:
    names = [f"w-{number}" for number in range(12_000)]
    for name in names[:30]:
        stack.store.workspace(tenant, name, {"env": "dev"})
    tags = [{"key": key} for key in ("env", "a", "b", "c", "d")]
    done = stack.delete(tenant, names, tags=tags)
    assert done["status"] == "partial"
    assert done["counts"] == counts(total=60_000, removed=30, absent=120, failed=59_850)
    assert len(done["errors"]) == 100
    assert done["errors_total"] == 11_970
    assert len(stack.store.chunks(done["job_id"])) > 1


def test_the_event_names_the_thousand_tags_of_most_workspaces(stack: Stack, tenant: str) -> None:
    for number in range(2):
        tags = {f"key-{at}": str(number if at else 0) for at in range(600)}
        stack.store.workspace(tenant, f"w-{number}", tags)
    wanted = [{"key": f"key-{at}"} for at in range(600)]
    done = stack.delete(tenant, ["w-0", "w-1"], tags=wanted)
    assert done["counts"] == counts(total=1_200, removed=1_200)
    assert len(done["tags"]) == 1_000
    assert done["tags"][0] == {"key": "key-0", "value": "0", "workspaces": 2}
    assert done["tags_truncated"] == 199
