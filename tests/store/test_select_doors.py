"""``"*"`` through every door: a message, Python, HTTP, the command; and what each refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tagsweep import TagSweep
from tagsweep.worker.errors import InvalidJob, JobRejected
from tagsweep.worker.models.jobs import AttachJob, DeleteJob, DetachJob
from tests.support.cli import CommandLine, ids
from tests.support.gateway import Gateway
from tests.support.stack import ServerStack, Stack, producing
from tests.support.stores import counts, new_ids

ID = new_ids(1, seed=1)[0]
NOT_BESIDE = 'To select everything, give "*" in place of the list; a list holds ids alone.'


def test_it_travels_as_any_job(stack: Stack, tenant: str) -> None:
    stack.store.tag(tenant, "a", tables=new_ids(5))
    stack.store.workspace(tenant, "w-1", {"env": "dev"})
    done = stack.detach(tenant, ["a"], tables="*")
    assert (done["counts"], done["remaining"]) == (counts(total=5, removed=5), 0)
    body = {"tenant": tenant, "workspaces": "*", "tags": [{"key": "env"}]}
    done = stack.run("tags.delete", body)
    assert (done["counts"], done["remaining"]) == (counts(total=1, removed=1), 0)


def test_from_python_beside_a_list_of_any_length(redis_stack: ServerStack, tenant: str) -> None:
    many, some = new_ids(30_000), new_ids(4)
    redis_stack.store.tag(tenant, "a", tables=many[:10], destinations=some)
    redis_stack.store.workspace(tenant, "w-1", {"env": "dev"})
    with producing(redis_stack) as sender:
        sent = sender.detach(tenant=tenant, names=["a"], tables=iter(many), destinations="*")
        done = sent.result(timeout=60)
        deleted = sender.delete(tenant=tenant, workspaces="*", tags=[{"key": "env"}]).result(60)
    assert done["counts"] == counts(total=30_004, removed=14, absent=29_990)
    assert (done["remaining"], deleted["counts"]["removed"]) == (0, 1)


def test_the_contracts_endpoint_takes_it_too(gateway: Gateway, tenant: str) -> None:
    gateway.store.tag(tenant, "a", destinations=new_ids(4))
    with gateway.client(tenant) as client:
        body = {"names": ["a"], "destinations": "*"}
        told = client.post("/api/v1/tags/detach/", json=body)
        assert told.status_code == 200, told.text
        assert [tag["name"] for tag in told.json()] == ["a"]
        (job,) = client.get("/api/v1/jobs/").json()["results"]
        assert (job["counts"]["removed"], job["remaining"]) == (4, 0)
        refused = client.post("/api/v1/tags/detach/", json={"names": [], "tables": ["*", ID]})
        assert refused.status_code == 400
        wrong = refused.json()
        assert wrong.get("resources", wrong) == {"tables": {"0": [NOT_BESIDE]}}


@pytest.mark.slow
@pytest.mark.parametrize("way", ["straight", "gateway"])
def test_the_command_selects_on_either_way(
    up_gateway: Gateway, tenant: str, tmp_path: Path, way: str
) -> None:
    straight = {"database_url": str(up_gateway.settings["database_url"])}
    key = up_gateway.credential(tenant, operator=True).key
    through = CommandLine(tmp_path, **({"url": up_gateway.url, "api_key": key} | straight))
    run = CommandLine(tmp_path, **straight) if way == "straight" else through
    up_gateway.store.tag(tenant, "a", destinations=new_ids(4))
    up_gateway.store.workspace(tenant, "w-1", {"env": "dev"}, {"env": "dev"})
    done = run("detach", "--tenant", tenant, "--name", "a", "--destinations", "*", "--json")
    assert (done.status, done.json["counts"]["removed"], done.json["remaining"]) == (0, 4, 0)
    told = run("delete", "--tenant", tenant, "--workspace", "*", "--tag", "env", "--sys-tag", "env")
    assert (told.status, "0 items still carry the tags" in told.out) == (0, True)
    both = run("detach", "--tenant", tenant, "--name", "a", "--tables", "*", "--tables", ids(1)[0])
    assert (both.status, both.out) == (2, "")
    assert "--tables: '*' stands for all of them" in both.err


@pytest.mark.parametrize(
    "kind, body, fault",
    [
        (DetachJob, {"names": ["a"], "tables": ["*", ID]}, ("/tables/0", NOT_BESIDE)),
        (DetachJob, {"names": ["a"], "tables": [ID, "*"]}, ("/tables/1", NOT_BESIDE)),
        (DetachJob, {"names": ["a"], "tables": ["*"]}, ("/tables/0", NOT_BESIDE)),
        (
            DeleteJob,
            {"workspaces": ["w-1", "*"], "tags": [{"key": "env"}]},
            ("/workspaces/1", NOT_BESIDE),
        ),
        (
            AttachJob,
            {"names": ["a"], "tables": "*", "folders": [ID]},
            ("/tables", 'An attach has nothing to select with "*": list the ids.'),
        ),
    ],
)
def test_what_cannot_be_selected_is_refused(
    unheard: TagSweep, kind: Any, body: dict[str, Any], fault: tuple[str, str]
) -> None:
    with pytest.raises(InvalidJob) as raised:
        kind.parse({"tenant": "acme", **body})
    assert [(error["path"], error["reason"]) for error in raised.value.errors] == [fault]
    if kind is not DeleteJob:
        with pytest.raises(InvalidJob) as raised:
            getattr(unheard, kind.kind)(tenant="acme", **body)
        assert [(error["path"], error["reason"]) for error in raised.value.errors] == [fault]


def test_a_message_with_both_is_rejected(stack: Stack, tenant: str) -> None:
    stack.store.tag(tenant, "a", tables=[ID])
    with pytest.raises(JobRejected, match="To select everything"):
        stack.detach(tenant, ["a"], tables=["*", ID])
    assert len(stack.store.links(tenant)) == 1
