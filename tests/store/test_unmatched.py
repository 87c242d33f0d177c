"""What of a job matches nothing is said, with the nearest name; a strict job ends rejected then."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import update

from tagsweep.worker import database
from tagsweep.worker.chunks import batches, plain
from tagsweep.worker.jobs.batch_ends import NewJob
from tagsweep.worker.models.jobs import parse_job
from tagsweep.worker.models.tables import workspace_tag
from tests.support import driving
from tests.support.cli import CommandLine, ids
from tests.support.gateway import Gateway, ended
from tests.support.stores import Store, counts, new_ids


class Way:
    """A way in which jobs are done: one by one, or in a batch."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, tenant: str, kind: str, **body: Any) -> dict[str, Any]:
        """Do a job; return its completion data, or the event's if that is all there is."""
        job = parse_job(driving.body({"tenant": tenant, "kind": kind, **body}))
        if self.name == "batch":
            assert plain.is_plain(job, 1_000)
            new = NewJob(uuid4(), job, job.fingerprint())
            with database.transaction() as connection:
                done = batches.apply(connection, [new])
            data: dict[str, Any] = done.ended[new.job_id].event["data"]
            return data
        job_id = driving.record(job, at_once=self.name == "at once")
        if self.name == "stored":
            driving.split(job_id)
        return driving.finish(job_id)


NO_LIST = pytest.mark.not_mapped("without a list, which is about tagsweep's own tables")


@pytest.fixture(params=["at once", "stored", "batch"])
def do(request: pytest.FixtureRequest) -> Way:
    """Each way in turn."""
    return Way(request.param)


def warned(data: dict[str, Any]) -> list[tuple[str, str]]:
    """Return path and code of each warning."""
    return [(one["path"], one["code"]) for one in data.get("warnings", [])]


def test_a_name_that_is_no_tag_is_told_with_the_nearest_one(
    store: Store, tenant: str, do: Way
) -> None:
    store.tag(tenant, "legacy")
    store.tag(tenant, "other")
    done = do(tenant, "detach", names=["other", "legcy", "legcy", "xyz"], tables=new_ids(1))
    assert (done["status"], warned(done)) == (
        "succeeded",
        [("/names/1", "unknown_tag"), ("/names/3", "unknown_tag")],
    )
    assert [one["reason"] for one in done["warnings"]] == [
        'There is no tag "legcy". Did you mean "legacy"?',
        'There is no tag "xyz".',
    ]


def test_names_that_are_there_cost_no_word(store: Store, tenant: str, do: Way) -> None:
    store.tag(tenant, "legacy")
    assert warned(do(tenant, "detach", names=["legacy"], tables=new_ids(1))) == []
    assert warned(do(tenant, "attach", names=["legacy", "new"], tables=new_ids(1))) == []


def test_a_tenant_without_tags_is_told(store: Store, tenant: str, do: Way) -> None:
    store.tag(f"{tenant}-b", "legacy")
    done = do(tenant, "detach", names=["legacy"], tables=new_ids(1))
    assert warned(done) == [("/tenant", "unknown_tenant"), ("/names/0", "unknown_tag")]
    assert "Did you mean" not in json.dumps(done["warnings"])  # no word of another tenant's tags


def test_many_missing_names_are_counted(store: Store, tenant: str, do: Way) -> None:
    store.tag(tenant, "legacy")
    names = [f"missing {number}" for number in range(150)]
    done = do(tenant, "detach", names=names, tables=new_ids(1))
    assert len(done["warnings"]) == 101
    assert done["warnings"][-1]["reason"] == "And 50 more of them match nothing."


def test_nearest_names_are_found_among_very_many(store: Store, tenant: str) -> None:
    for number in range(300):
        store.tag(tenant, f"tag-{number:04}")
    done = Way("at once")(tenant, "detach", names=["tag-0123x"], tables=new_ids(1))
    assert 'Did you mean "tag-0123"?' in done["warnings"][0]["reason"]


def test_a_tag_that_no_workspace_has_is_told(store: Store, tenant: str, do: Way) -> None:
    for name in ("w-1", "w-2"):
        store.workspace(tenant, name, {"env": "dev", "team": "a"}, {"cost": "x"})
    wanted: list[dict[str, Any]] = [{"key": "env"}, {"key": "taem"}, {"key": "team", "value": "b"}]
    body = {"workspaces": ["w-1", "w-2"], "tags": wanted, "sys_tags": [{"key": "env"}]}
    done = do(tenant, "delete", **body)
    assert warned(done) == [
        ("/tags/1", "unknown_tag"),
        ("/tags/2", "unknown_tag"),
        ("/sys_tags/0", "unknown_tag"),
    ]
    assert [one["reason"] for one in done["warnings"]] == [
        'None of the workspaces has the tag "taem". Did you mean "team"?',
        'None of the workspaces has the tag "team=b". Did you mean "team=a"?',
        'None of the workspaces has the tag "env".',
    ]
    assert done["counts"] == counts(total=8, removed=2, absent=6)


def test_a_retry_that_finds_the_tag_takes_its_warning_back(store: Store, tenant: str) -> None:
    store.workspace(tenant, "w-1", {"env": "dev"})
    body = {"workspaces": ["w-1", "w-2"], "tags": [{"key": "team"}]}
    job_id = driving.record(parse_job({"kind": "delete", "tenant": tenant, **body}), at_once=True)
    first = driving.finish(job_id)
    assert (first["status"], warned(first)) == ("partial", [("/tags/0", "unknown_tag")])
    store.workspace(tenant, "w-2", {"team": "a"})
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    with store.transaction() as connection:
        connection.execute(update(workspace_tag).values(created_at=long_ago))
    again = driving.retry(job_id)
    assert (again["status"], warned(again)) == ("succeeded", [])


@pytest.mark.parametrize(
    "kind,body",
    [
        pytest.param("detach", {"names": ["legacy"]}, marks=NO_LIST),
        ("detach", {"names": ["legacy"], "tables": "*"}),
        ("delete", {"tags": [{"key": "env"}], "workspaces": "*"}),
    ],
)
def test_a_job_without_items_says_so(
    store: Store, tenant: str, kind: str, body: dict[str, Any]
) -> None:
    store.tag(tenant, "legacy")
    done = Way("at once")(tenant, kind, **body)
    assert (done["status"], warned(done)) == ("succeeded", [("", "nothing_matched")])


STRICT: list[Any] = [  # kind, body and the paths of what is wrong
    ("detach", {"names": ["legacy", "legcy"], "tables": "*"}, ["/names/1"]),
    ("detach", {"names": ["legcy"], "tables": new_ids(1)}, ["/names/0"]),
    ("detach", {"names": ["legacy"], "tables": "*", "folders": []}, ["/folders"]),
    pytest.param("detach", {"names": ["legacy"]}, [""], marks=NO_LIST),
    ("delete", {"workspaces": ["w-1"], "tags": [{"key": "env"}, {"key": "x"}]}, ["/tags/1"]),
    ("delete", {"workspaces": "*", "tags": [{"key": "env", "value": "z"}]}, [""]),
]


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("kind,body,paths", STRICT)
def test_a_strict_job_changes_nothing_if_anything_matches_nothing(  # noqa: PLR0913  # its cases
    store: Store, tenant: str, kind: str, body: dict[str, Any], paths: list[str], *, at_once: bool
) -> None:
    store.tag(tenant, "legacy", tables=new_ids(3))
    store.workspace(tenant, "w-1", {"env": "dev"})
    before = store.links(tenant), store.workspace_tags(tenant)
    done = Way("at once" if at_once else "stored")(tenant, kind, strict=True, **body)
    paths = [store.tables.path(one) for one in paths]
    assert (done["status"], [one["path"] for one in done["errors"]]) == ("rejected", paths)
    assert (done["counts"]["total"], before) == (
        done["counts"]["unprocessed"],
        (store.links(tenant), store.workspace_tags(tenant)),
    )


def test_a_strict_job_of_which_all_matches_is_done(store: Store, tenant: str) -> None:
    store.tag(tenant, "legacy", tables=new_ids(1, seed=1))
    store.workspace(tenant, "w-1", {"env": "dev"})
    do = Way("at once")
    detach = do(tenant, "detach", names=["legacy"], tables=new_ids(2), strict=True)
    delete = do(tenant, "delete", workspaces=["w-1"], tags=[{"key": "env"}], strict=True)
    assert [(one["status"], warned(one)) for one in (detach, delete)] == [("succeeded", [])] * 2
    assert store.workspace_tags(tenant) == set()


@pytest.fixture
def run(tmp_path: Path) -> CommandLine:
    """The command in an empty folder, everything embedded."""
    return CommandLine(tmp_path)


@pytest.mark.slow
def test_the_command_says_what_matched_nothing(run: CommandLine) -> None:
    run.load(tables=ids(2))
    legcy = ("--name", "legcy", "--tables", ",".join(ids(2)))
    done = run("detach", "--tenant", "acme", *legcy)
    assert done.status == 0
    assert 'Warning: names, item 1: There is no tag "legcy". Did you mean "legacy"?' in done.err
    nobody = run("detach", "--tenant", "acmee", *legcy, "--json")
    assert [one["code"] for one in nobody.json["warnings"]] == ["unknown_tenant", "unknown_tag"]
    assert 'Warning: tenant: The tenant "acmee" has no tags.' in nobody.err
    strict = run("detach", "--tenant", "acme", *legcy, "--strict")
    assert (strict.status, strict.out.splitlines()[0].partition(":")[0]) == (1, "rejected")


@NO_LIST
def test_the_gateway_s_jobs_bear_warnings_and_its_contracts_do_not(
    redis_gateway: Gateway, tenant: str
) -> None:
    redis_gateway.store.tag(tenant, "legacy")
    with redis_gateway.client(tenant) as client:
        answer = client.post("/api/v1/tags/detach/", json={"names": ["legcy"]})
        assert (answer.status_code, answer.json()) == (200, [])
        job = client.get(answer.headers["content-location"]).json()
        assert warned(job) == [("/names/0", "unknown_tag")]
        body = {"kind": "detach", "names": ["legcy"], "strict": True}
        made = client.post("/api/v1/jobs/", json=body)
        rejected = ended(client, made.headers["location"])
        assert (rejected["status"], rejected["errors"]) == ("rejected", job["warnings"])
