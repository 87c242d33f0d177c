"""`tagsweep tags`: the same straight to the store and through a gateway."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli import CommandLine, ids
from tests.support.gateway import Gateway
from tests.support.stores import new_tenant

pytestmark = pytest.mark.slow


@pytest.fixture(params=["store", "gateway"])
def run(
    request: pytest.FixtureRequest, up_gateway: Gateway, tmp_path: Path, tenant: str
) -> CommandLine:
    """The command, on either way to the tags of a tenant."""
    if request.param == "store":
        return CommandLine(tmp_path, database_url=str(up_gateway.settings["database_url"]))
    return CommandLine(tmp_path, url=up_gateway.url, api_key=up_gateway.credential(tenant).key)


def test_tags_are_created_renamed_searched_and_listed(
    run: CommandLine, up_gateway: Gateway, tenant: str
) -> None:
    own = ("--tenant", tenant)
    up_gateway.store.tag(tenant, "pii", tables=ids(2))
    made = run("tags", "create", *own, "--name", "new", "--json").json
    renamed = run("tags", "rename", *own, "--name", "new", "--to", "newer", "--json").json
    assert (renamed["id"], renamed["name"]) == (made["id"], "newer")
    listed = run("tags", "list", *own, "--json").json
    assert [one["name"] for one in listed] == ["newer", "pii"]
    assert run("tags", "list", *own, "--search", "EW", "--json").json == [renamed]
    table = run("tags", "list", *own, "--links").out.splitlines()
    assert table[0].split() == ["NAME", "ID", "CREATED", "UPDATED", "LINKS"]
    assert [line.split()[-1] for line in table[1:]] == ["0", "2"]


def test_deleted_tags_are_gone_from_all_that_carried_them(
    run: CommandLine, up_gateway: Gateway, tenant: str
) -> None:
    own = ("--tenant", tenant)
    for name in ("a", "b", "c"):
        up_gateway.store.tag(tenant, name, tables=ids(2))
    done = run("tags", "delete", *own, "--name", "a", "--name", "b", "--json")
    assert (done.status, done.json["counts"]["removed"]) == (0, 4), done.err
    assert set(up_gateway.store.tags(tenant)) == {"c"}
    some = run("detach", *own, "--name", "c", "--tables", ids(1)[0], "--drop", "--json")
    assert (some.status, some.json["warnings"][0]["code"]) == (0, "has_links")
    rest = run("detach", *own, "--name", "c", "--tables", "*", "--drop")
    assert (rest.status, up_gateway.store.tags(tenant)) == (0, {})


def test_wrong_use_is_one_line_and_changes_nothing(
    run: CommandLine, up_gateway: Gateway, tenant: str
) -> None:
    own = ("--tenant", tenant)
    for name in ("a", "b"):
        up_gateway.store.tag(tenant, name)
    before = up_gateway.store.tags(tenant)
    wrong = {
        "--name 'a': tag with this name already exists.": ("create", *own, "--name", "a"),
        "--name ' ': This field may not be blank.": ("create", *own, "--name", " "),
        "--to 'b': tag with this name already exists. To join the two: tagsweep merge.": (
            *("rename", *own, "--name", "a", "--to", "b"),
        ),
        "--name 'c': the tenant has no such tag.": ("rename", *own, "--name", "c", "--to", "d"),
        "--tenant 'a b': Must be 1 to 36 letters, digits or hyphens.": ("list", "--tenant", "a b"),
    }
    for line, command in wrong.items():
        done = run("tags", *command)
        assert (done.status, done.out) == (2, "")
        assert done.err.rstrip().endswith(line), done.err
    assert up_gateway.store.tags(tenant) == before


def test_a_key_shows_no_other_tenants_tags(
    up_gateway: Gateway, tmp_path: Path, tenant: str
) -> None:
    run = CommandLine(tmp_path, url=up_gateway.url, api_key=up_gateway.credential(tenant).key)
    for command in (("list",), ("create", "--name", "a")):
        done = run("tags", *command, "--tenant", new_tenant())
        assert (done.status, done.out) == (2, "")
        assert "another tenant" in done.err
