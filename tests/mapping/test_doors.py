"""Jobs on an application's own tables from every door, through real workers and a gateway."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from jsonschema_rs import validator_for

from tagsweep.producer import sender as senders
from tagsweep.producer import spool
from tagsweep.worker.errors import JobRejected
from tests.servers import Postgres, Redis
from tests.support.cli import CommandLine
from tests.support.gateway import Gateway, ended, serving
from tests.support.own_tables import ARTICLES, TAGGIT, TAGGIT_MAP, TENANT, OwnTables
from tests.support.stack import ServerStack, producing
from tests.support.stores import attached, counts, new_ids

pytestmark = pytest.mark.slow

JOBS = "/api/v1/jobs/"
DETACH = "/api/v1/tags/detach/"
#: of the worker, so that a long list has several chunks
CHUNK = 200


@dataclass
class Application:
    """An application's own tables, and all that works on them."""

    own: OwnTables
    stack: ServerStack
    gateway: Gateway
    folder: Path

    def command(self, folder: Path, *, remote: bool) -> CommandLine:
        """Return the command line, at the store or through the gateway."""
        if remote:
            key = self.gateway.credential(TENANT).key
            return CommandLine(folder, url=self.gateway.url, api_key=key)
        return CommandLine(folder, **{name: str(own) for name, own in self.stack.settings.items()})

    def objects(self, name: str) -> set[int]:
        """Return the articles that carry a tag."""
        links = self.own.links()
        return {one for tag, kind, one in links if (tag, kind) == (name, ARTICLES)}


@pytest.fixture(scope="module")
def application(
    postgres_server: Postgres,
    postgres_template: str,
    redis_server: Redis,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Application]:
    """A taggit-like application beside the store, a worker and a gateway; not to be killed."""
    folder = tmp_path_factory.mktemp("own-tables")
    (folder / "tags.toml").write_text(TAGGIT_MAP)
    url = postgres_server.create_database(postgres_template)
    stack = ServerStack("redis", folder, url, redis_server.create_database())
    stack.settings["map"] = folder / "tags.toml"
    with closing(stack):
        own = OwnTables(stack.store)
        own.create(TAGGIT)
        stack.start_worker(chunk_size=CHUNK)
        stack.wait()
        with serving(stack) as gateway:
            yield Application(own, stack, gateway, folder)
    postgres_server.drop_database(url)


@pytest.mark.parametrize("remote", [False, True], ids=["direct", "remote"])
def test_the_command_previews_detaches_shows_and_undoes(
    application: Application, tmp_path: Path, *, remote: bool
) -> None:
    own, run = application.own, application.command(tmp_path, remote=remote)
    tag = own.tag("shell", range(1, 1_001))
    before = own.digest()
    ids = run.file("ids.txt", [str(number) for number in (*range(1, 701), 5_000)])
    command = ("detach", "--tenant", TENANT, "--name", "shell", "--resources", f"articles={ids}")
    preview = run(*command, "--dry-run", "--json")
    assert (preview.status, preview.json["counts"]) == (
        0,
        counts(total=701, removed=700, absent=1),
    ), preview.err
    assert own.digest() == before
    done = run(*command, "--json")
    assert (done.status, done.json["counts"]) == (0, preview.json["counts"]), done.err
    assert [(one["id"], one["name"]) for one in done.json["tags"]] == [(tag, "shell")]
    assert application.objects("shell") == set(range(701, 1_001))
    job_id = done.json["job_id"]
    receipt = run("jobs", "receipt", job_id, "--output", "ndjson")
    rows = [json.loads(line) for line in receipt.out.splitlines()]
    told = {(row["resource_type"], row["resource"], row["outcome"]) for row in rows}
    assert told == {("articles", 5_000, "absent")} | {
        ("articles", number, "removed") for number in range(1, 701)
    }
    shown = run("jobs", "show", job_id, "--json").json
    assert [one["id"] for one in shown["tags"]] == [tag]
    assert shown["request"]["lists"] == {"articles": 701}
    undone = run("jobs", "undo", job_id, "--json")
    assert (undone.status, undone.json["counts"]["added"]) == (0, 700), undone.err
    assert own.digest() == before


@pytest.mark.parametrize("remote", [False, True], ids=["direct", "remote"])
def test_the_command_merges_as_previewed_and_undoes(
    application: Application, tmp_path: Path, *, remote: bool
) -> None:
    own, run = application.own, application.command(tmp_path, remote=remote)
    own.tag("first", range(1, 601))
    own.tag("second", range(301, 901))
    own.tag("both", range(801, 1_001))
    before = own.digest()
    names = ("--tenant", TENANT, "--name", "first", "--name", "second", "--into", "both")
    command = ("merge", *names, "--resources", "articles=*")
    preview = run(*command, "--dry-run", "--json")
    told = {"total": 1_200, "moved": 800, "present": 400}
    assert {name: preview.json["counts"][name] for name in told} == told, preview.err
    assert own.digest() == before
    done = run(*command, "--json")
    assert (done.status, done.json["counts"]) == (0, preview.json["counts"]), done.err
    assert application.objects("both") == set(range(1, 1_001))
    assert application.objects("first") == application.objects("second") == set()
    counters = own.counters()
    assert [counters[name] for name in ("first", "second", "both")] == [0, 0, 1_000]
    undone = run("jobs", "undo", done.json["job_id"], "--json")
    assert (undone.status, undone.json["counts"]["moved"]) == (0, 1_200), undone.err
    assert own.digest() == before
    none = run("merge", *names[:-1], "none", "--resources", "articles=*", "--json")
    assert [one["path"] for one in none.json["warnings"]] == ["/into"], none.err
    assert own.digest() == before
    run("detach", *names[:-2], "--name", "both", "--resources", "articles=*")


@pytest.mark.parametrize("remote", [False, True], ids=["direct", "remote"])
def test_the_command_refuses_what_is_not_of_the_map_in_one_line(
    application: Application, tmp_path: Path, *, remote: bool
) -> None:
    run = application.command(tmp_path, remote=remote)
    before = application.own.digest()
    for given, told in (
        ("article=1", "Did you mean articles?"),
        ("articles=1,-2", "whole number from 0"),
        ("articles=9b8a1f6e-55f1-4a0b-8c5e-1f2d3c4b5a69", "Its ids are whole numbers"),
        ("articles", "NAME="),
    ):
        refused = run("detach", "--tenant", TENANT, "--name", "x", "--resources", given)
        assert (refused.status, refused.out) == (2, ""), refused.err
        assert told in refused.err
        assert "Traceback" not in refused.err
    assert application.own.digest() == before


def test_python_sends_any_iterable_of_numbers(application: Application) -> None:
    own = application.own
    own.tag("python", range(1_000))
    before = own.digest()
    with producing(application.stack) as sender:
        handle = sender.detach(
            tenant=TENANT,
            names=["python"],
            resources={"articles": (number for number in range(0, 1_200, 2))},
        )
        done = handle.result(timeout=60)
        assert done["counts"] == counts(total=600, removed=500, absent=100)
        assert application.objects("python") == set(range(1, 1_000, 2))
        undone = sender.undo(tenant=TENANT, job=handle.id).result(timeout=60)
    assert undone["counts"] == attached(total=500, added=500)
    assert own.digest() == before


@pytest.mark.parametrize("body, parts", [(list(range(2_500)), 5), ("*", 0)])
def test_a_long_list_comes_in_parts_and_goes_in_chunks(
    application: Application, monkeypatch: pytest.MonkeyPatch, body: Any, parts: int
) -> None:
    own = application.own
    own.tag("long", range(2_500))
    before, counted = own.digest(), own.counters()
    monkeypatch.setattr(spool, "IDS_PER_PART", 600)
    monkeypatch.setattr(senders, "MAX_IDS_IN_ONE_MESSAGE", 500)
    with producing(application.stack) as sender:
        handle = sender.detach(tenant=TENANT, names=["long"], resources={"articles": body})
        done = handle.result(timeout=60)
        assert done["counts"] == counts(total=2_500, removed=2_500)
        assert application.stack.store.job(handle.id).parts >= parts
        assert len(application.stack.store.chunks(handle.id)) >= 2_500 // CHUNK
        assert application.objects("long") == set()
        assert own.counters()["long"] == 0
        sender.undo(tenant=TENANT, job=handle.id).result(timeout=60)
    assert (own.digest(), own.counters()) == (before, counted)


def test_a_long_list_that_is_not_of_the_map_is_rejected_and_its_sender_told(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "IDS_PER_PART", 300)
    monkeypatch.setattr(senders, "MAX_IDS_IN_ONE_MESSAGE", 200)
    before = application.own.digest()
    with producing(application.stack) as sender:
        for name, ids in (("article", range(1_000)), ("articles", new_ids(1_000))):
            handle = sender.detach(tenant=TENANT, names=["long"], resources={name: ids})
            with pytest.raises(JobRejected, match=f"resources/{name}: "):
                handle.result(timeout=60)
    assert application.own.digest() == before


def test_a_plain_celery_message_is_about_mapped_resources_too(application: Application) -> None:
    own, stack = application.own, application.stack
    tag = own.tag("celery", range(10))
    body = {"tenant": TENANT, "names": ["celery"], "resources": {"articles": [1, "2", 99]}}
    done = stack.run("tags.detach", body)
    assert done["counts"] == counts(total=3, removed=2, absent=1)
    assert [one["id"] for one in done["tags"]] == [tag]
    (event,) = stack.events(done["job_id"])
    assert event["data"] == done
    undone = stack.run("tags.undo", {"tenant": TENANT, "job": done["job_id"]})
    assert undone["counts"] == attached(total=2, added=2)
    again = stack.run("tags.attach", {**body, "resources": {"articles": [1, 50]}})
    assert again["counts"] == attached(total=2, added=1, present=1)


def test_over_http_numbers_go_in_and_come_out(application: Application) -> None:
    own = application.own
    tag = own.tag("http", range(1_000))
    before = own.digest()
    body = {"names": ["http"], "resources": {"articles": [3, "4", 5_000]}}
    with application.gateway.client(TENANT) as http:
        preview = ended(
            http,
            http.post(JOBS, json={"kind": "detach", **body, "dry_run": True}).headers["location"],
        )
        assert (preview["counts"]["removed"], own.digest()) == (2, before)
        answer = http.post(DETACH, json=body)
        assert (answer.status_code, [one["id"] for one in answer.json()]) == (200, [tag])
        path = answer.headers["content-location"]
        assert http.get(path).json()["counts"] == counts(total=3, removed=2, absent=1)
        lines = http.get(f"{path}/receipt?outcome=removed").text.splitlines()
        assert [json.loads(line)["resource"] for line in lines] == [3, 4]
        ended(http, http.post(f"{path}/undo").headers["location"])
        assert own.digest() == before
        every = {"kind": "detach", "names": ["http"], "resources": {"articles": "*"}}
        job = ended(http, http.post(JOBS, json=every).headers["location"])
        assert (job["counts"], job["remaining"]) == (counts(total=1_000, removed=1_000), 0)
        ended(http, http.post(f"{JOBS}{job['id']}/undo").headers["location"])
        assert own.digest() == before


def test_the_openapi_document_has_the_resources_of_the_map(application: Application) -> None:
    with application.gateway.client(TENANT) as http:
        schemas = http.get("/openapi.json").json()["components"]["schemas"]
    for name in ("Detach", "NewDetach", "Attach", "NewAttach"):
        resources = schemas[name]["properties"]["resources"]
        valid = validator_for(resources).is_valid
        assert valid({"articles": [1, 2], "authors": []})
        assert valid({"articles": "*"}) == name.endswith("Detach")
        for wrong in ({"article": [1]}, {"articles": [-1]}, {"articles": ["x"]}, {"articles": 1}):
            assert not valid(wrong)
    for name in ("Tag", "MatchedTag"):
        assert validator_for(schemas[name]).is_valid({"id": 3, "name": "old"})


def test_over_http_what_carries_tags_is_listed(application: Application) -> None:
    own = application.own
    one, two = own.tag("listed", range(10)), own.tag("second", [3])
    with application.gateway.client(TENANT) as http, application.gateway.client("other") as other:
        path = "/api/v1/articles/"
        every = sorted({number for _, kind, number in own.links() if kind == ARTICLES})
        size = len(every) // 3
        page = http.get(f"{path}?expand[]=tags&page_size={size}").json()
        assert page["count"] == len(every)
        seen = page["results"]
        while page["next"]:
            page = http.get(page["next"]).json()
            seen += page["results"]
        assert [each["id"] for each in seen] == every
        (third,) = (each for each in seen if each["id"] == 3)
        tags = [tag for tag in third["tags"] if tag["name"] in ("listed", "second")]
        assert tags == [{"id": one, "name": "listed"}, {"id": two, "name": "second"}]
        back = http.get(page["previous"]).json()
        assert back["results"] == seen[-size - len(page["results"]) :][:size]
        assert http.get("/api/v1/articles", params={"page": 2, "page_size": 3}).is_success
        assert other.get(path).json() == {"count": 0, "next": None, "previous": None, "results": []}
        for wrong, status in (("?cursor=x", 404), ("?expand[]=x", 400), ("?expnad=tags", 400)):
            assert http.get(path + wrong).status_code == status
        assert http.get("/api/v1/article/").status_code == 404
        assert http.post(path, json={}).status_code == 405
        document = http.get("/openapi.json").json()
    listing = document["paths"][path]["get"]
    assert listing["operationId"] == "listArticles"
    schema = document["components"]["schemas"]["Resource"]
    assert validator_for({**schema, "components": document["components"]}).is_valid({"id": 3})


def test_over_http_what_is_not_of_the_map_is_named(application: Application) -> None:
    before = application.own.digest()
    with application.gateway.client(TENANT) as http, application.gateway.client("other") as other:
        for resources, path in (
            ({"article": [1]}, "/resources/article"),
            ({"articles": [1, -2]}, "/resources/articles/1"),
            ({"articles": [2**63]}, "/resources/articles/0"),
        ):
            body = {"kind": "detach", "names": ["x"], "resources": resources}
            refused = http.post(JOBS, json=body)
            assert refused.status_code == 400
            assert [error["path"] for error in refused.json()["errors"]] == [path]
            assert (
                http.post(DETACH, json={"names": ["x"], "resources": resources}).status_code == 400
            )
        body = {"kind": "detach", "names": ["x"], "resources": {"articles": [1]}}
        assert other.post(JOBS, json=body).status_code == 400
        assert http.get(JOBS).status_code == 200
    assert application.own.digest() == before
