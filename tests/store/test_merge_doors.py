"""Merges through every door: a message, Python, HTTP, the command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tagsweep.worker.errors import InvalidJob, JobRejected
from tests.support.cli import CommandLine
from tests.support.gateway import Gateway, ended
from tests.support.stack import ServerStack, Stack, producing
from tests.support.stores import Store, new_ids

#: the tags of a map cannot be merged
pytestmark = pytest.mark.default_configuration

JOBS = "/api/v1/jobs/"


def _filled(store: Store, tenant: str) -> list[str]:
    """Put a on three tables, b on the first of them, and into on the last."""
    ids = new_ids(3)
    store.tag(tenant, "a", tables=ids)
    store.tag(tenant, "b", tables=ids[:1])
    store.tag(tenant, "into", tables=ids[2:])
    return ids


def _told(data: dict[str, Any]) -> tuple[str, int, int]:
    return data["status"], data["counts"]["moved"], data["counts"]["present"]


def test_a_message_merges(stack: Stack, tenant: str) -> None:
    ids = _filled(stack.store, tenant)
    body = {"tenant": tenant, "names": ["a", "b"], "into": "into", "drop": True}
    done = stack.run("tags.merge", body)
    assert _told(done) == ("succeeded", 2, 2)
    assert stack.store.links(tenant) == {("into", "tables", one) for one in ids}
    assert set(stack.store.tags(tenant)) == {"into"}
    with pytest.raises(JobRejected, match="cannot be merged into itself"):
        stack.run("tags.merge", {**body, "names": ["into"]})
    assert set(stack.store.tags(tenant)) == {"into"}


def test_python_merges_lists_of_any_length_or_everything(
    redis_stack: ServerStack, tenant: str
) -> None:
    ids = _filled(redis_stack.store, tenant)
    with producing(redis_stack) as sender:
        with pytest.raises(InvalidJob, match="at least one tag"):
            sender.merge(tenant=tenant, names=[], into="into")
        many = [*new_ids(25_000), *ids[:2]]
        some = sender.merge(tenant=tenant, names=["a"], into="into", tables=many)
        assert some.result(timeout=60)["counts"]["moved"] == 2
        rest = sender.merge(tenant=tenant, names=iter(["b", "a"]), into="into")
        assert _told(rest.result(timeout=60)) == ("succeeded", 0, 2)
        undone = rest.undo().result(timeout=60)
    assert (undone["kind"], undone["counts"]["moved"]) == ("undo", 2)
    names = {name for name, _, _ in redis_stack.store.links(tenant)}
    assert names == {"a", "b", "into"}


def test_over_http_a_merge_is_previewed_run_and_refused_in_clear_words(
    gateway: Gateway, tenant: str
) -> None:
    ids = _filled(gateway.store, tenant)
    before = gateway.store.links(tenant)
    body = {"kind": "merge", "names": ["a", "b"], "into": "into"}
    with gateway.client(tenant) as client:
        for wrong, status, path in (
            ({"names": []}, 400, "/names"),
            ({"into": "a"}, 422, "/into"),
            ({"into": ""}, 400, "/into"),
        ):
            refused = client.post(JOBS, json={**body, **wrong})
            assert (refused.status_code, refused.json()["errors"][0]["path"]) == (status, path)
        taken = client.post(JOBS, json={**body, "dry_run": True})
        preview = ended(client, taken.headers["location"])
        assert gateway.store.links(tenant) == before
        done = ended(client, client.post(f"{JOBS}{preview['id']}/run").headers["location"])
        assert _told(preview) == _told(done) == ("succeeded", 2, 2)
        rows = client.get(f"{JOBS}{done['id']}/receipt", headers={"Accept": "text/csv"}).text
        assert sorted(line.split(",")[3] for line in rows.splitlines()[1:]) == [
            *("moved", "moved", "present", "present"),
        ]
        taken = client.patch(f"/api/v1/tags/{_id(client, 'a')}/", json={"name": "b"})
        assert "merge" in taken.json()["name"][0]
    assert gateway.store.links(tenant) == {("into", "tables", one) for one in ids}


def _id(client: Any, name: str) -> str:
    found: str = client.get("/api/v1/tags/", params={"name": name}).json()["results"][0]["id"]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("way", ["straight", "gateway"])
def test_the_command_merges(up_gateway: Gateway, tenant: str, tmp_path: Path, way: str) -> None:
    settings: dict[str, Any] = {"database_url": str(up_gateway.settings["database_url"])}
    if way == "gateway":
        settings |= {"url": up_gateway.url, "api_key": up_gateway.credential(tenant).key}
    run = CommandLine(tmp_path, **settings)
    ids = _filled(up_gateway.store, tenant)
    job = ("merge", "--tenant", tenant, "--name", "a", "--name", "b")
    refused = run(*job, "--into", "b")
    assert (refused.status, refused.out) == (2, "")
    assert "--into 'b': It is among names too" in refused.err
    done = run(*job, "--into", "into", "--drop", "--json")
    assert (done.status, _told(done.json)) == (0, ("succeeded", 2, 2)), done.err
    assert up_gateway.store.links(tenant) == {("into", "tables", one) for one in ids}
    assert set(up_gateway.store.tags(tenant)) == {"into"}
