"""The pages of jobs: lists with filters, one job with all its parts, and what is done to it."""

from __future__ import annotations

import html
import json
import re
import shlex
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import insert, update

from tagsweep.producer.gateway.console.presentation import questions
from tagsweep.producer.gateway.console.routes.job_list import PAGE
from tagsweep.worker.jobs.inspection import listing
from tagsweep.worker.models.ids import RESOURCE_TYPES
from tagsweep.worker.models.tables import chunk, failure, job
from tests.support.console import Person, signed_in
from tests.support.gateway import Gateway, ended, serving
from tests.support.stack import ServerStack
from tests.support.stores import new_ids, new_tenant

#: the id of no job
NOWHERE = "5b0d6c6e-83a6-4b63-9c3e-6f2d8a1f7c55"
MARKUP = "<img src=x onerror=alert(1)>"
ACTIONS = ("cancel", "pause", "resume", "retry", "undo")


@pytest.fixture
def person(gateway: Gateway, tenant: str) -> Iterator[Person]:
    """Somebody with a key of the tenant."""
    with signed_in(gateway, tenant, name="Ada") as one:
        yield one


def _done(gateway: Gateway, tenant: str, **body: Any) -> dict[str, Any]:
    """Return a job that has ended."""
    with gateway.client(tenant, name="Ada") as client:
        made = client.post("/api/v1/jobs/", json={"kind": "detach", **body})
        assert made.status_code == 202, made.text
        return ended(client, made.headers["location"])


def _record(gateway: Gateway, tenant: str, *jobs: dict[str, Any]) -> list[str]:
    """Record jobs that no worker takes up, each a minute before the one after it."""
    start = datetime.now(UTC) - timedelta(minutes=len(jobs) + 1)
    rows = [
        {
            "id": uuid4(),
            "tenant": tenant,
            "kind": "detach",
            "status": "succeeded",
            "fingerprint": bytes(32),
            "head": {"names": ["legacy"]},
            "matched": [],
            "errors": [],
            "parts_in": 1,
            "parts": 1,
            "sizes": {"tables": 3},
            "total": 3,
            "changed": 3,
            "ends": 1,
            "requested_by": {"name": "Ada", "door": "http", "proved": True},
            "accepted_at": start + timedelta(minutes=number),
            "started_at": start + timedelta(minutes=number),
            "finished_at": start + timedelta(minutes=number, seconds=3),
            **own,
        }
        for number, own in enumerate(jobs)
    ]
    with gateway.store.transaction() as connection:
        connection.execute(insert(job), rows)
    return [str(row["id"]) for row in rows]


def _listed(person: Person, query: str = "") -> list[str]:
    """Return the ids in a list, in their order."""
    page = person.get(f"/console/jobs{query}")
    assert page.status_code == 200, page.text
    return re.findall(r'<th scope="row"><a href="/console/jobs/([0-9a-f-]+)"', page.text)


def test_a_row_says_in_words_what_its_job_does(person: Person, tenant: str) -> None:
    _record(
        person.gateway,
        tenant,
        {
            "head": {"names": ["legacy", "old"], "dry_run": True},
            "sizes": {"tables": 2_000_000},
        },
        {"kind": "attach", "head": {"names": ["a", "b", "c", "d"]}, "sizes": {"folders": 1}},
        {"head": {"names": ["old"], **dict.fromkeys(RESOURCE_TYPES, "*")}, "sizes": {}},
        {
            "kind": "delete",
            "head": {"tags": [{"key": "env", "value": "dev"}, {"key": "x"}], "workspaces": "*"},
            "sizes": {},
        },
    )
    text = html.unescape(person.get("/console/jobs").text)
    assert "detach legacy, old from 2,000,000 tables, preview" in text
    assert "attach a, b, c and 1 more to 1 folder" in text
    assert "detach old from all resources" in text
    assert "delete env=dev, x from all workspaces" in text


def test_filters_are_part_of_the_address(person: Person, tenant: str) -> None:
    failed, attached, mine, keyed, fine = _record(
        person.gateway,
        tenant,
        {"status": "failed"},
        {"kind": "attach"},
        {"requested_by": {"name": "Grace", "door": "cli", "proved": False}},
        {"kind": "delete", "head": {"tags": [{"key": "owner"}]}},
        {"head": {"names": ["left", "leg_cy"]}},
    )
    assert _listed(person) == [fine, keyed, mine, attached, failed]
    assert _listed(person, "?status=failed") == [failed]
    assert _listed(person, "?kind=attach") == [attached]
    assert _listed(person, "?by=Grace") == [mine]
    assert _listed(person, "?name=owner") == [keyed]
    assert _listed(person, "?name=left") == [fine]
    assert _listed(person, "?name=lef") == []
    assert _listed(person, "?name=leg*") == [fine, mine, attached, failed]
    assert _listed(person, "?name=leg_*") == [fine]
    assert _listed(person, "?name=own*&kind=delete") == [keyed]
    recent = (datetime.now(UTC) - timedelta(minutes=2, seconds=30)).strftime("%Y-%m-%dT%H:%M:%S")
    assert _listed(person, f"?since={recent}") == [fine]
    assert _listed(person, f"?until={recent}") == [keyed, mine, attached, failed]


@pytest.mark.parametrize(
    "query, words",
    [
        ("status=lost", "status must be one of"),
        ("kind=sweep", "kind must be one of"),
        ("since=yesterday", "since must be a time"),
        ("after=nowhere", "begin at its first"),
        ("tenant=somebody-else", "another tenant"),
        ("stauts=failed", "Did you mean"),
    ],
)
def test_a_filter_that_means_nothing_is_told(person: Person, query: str, words: str) -> None:
    answer = person.get(f"/console/jobs?{query}")
    assert answer.status_code in (400, 403)
    assert words in html.unescape(answer.text)


def test_pages_follow_each_other_without_gap_and_without_repetition(
    person: Person, tenant: str
) -> None:
    ids = _record(person.gateway, tenant, *[{"total": number} for number in range(2 * PAGE + 7)])
    for query in ("", "?status=succeeded"):
        seen, path = [], f"/console/jobs{query}"
        while path:
            text = person.get(path).text
            seen += re.findall(r'<th scope="row"><a href="/console/jobs/([0-9a-f-]+)"', text)
            found = re.search(r'rel="next" href="([^"]+)"', text)
            path = html.unescape(found[1]) if found else ""
        assert seen == ids[::-1]


def test_a_rare_job_is_looked_for_further_back(
    redis_gateway: Gateway, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (old, *_) = _record(redis_gateway, tenant, {"status": "failed"}, *[{}] * 30)
    monkeypatch.setattr(listing, "SCANNED", 20)
    wanted = listing.Wanted(tenant, status="failed")
    with redis_gateway.store.transaction() as connection:
        first = listing.page(connection, wanted, None, 50)
        assert first.jobs == []
        assert first.stopped_at is not None
        second = listing.page(connection, wanted, first.stopped_at, 50)
    assert [str(one.id) for one in second.jobs] == [old]
    assert second.stopped_at is None


def test_a_job_shows_what_became_of_its_items(person: Person, tenant: str) -> None:
    ids = new_ids(3)
    person.gateway.store.tag(tenant, "legacy", tables=ids[:2])
    done = _done(person.gateway, tenant, names=["legacy"], tables=ids, note="spring cleaning")
    page = html.unescape(person.get(f"/console/jobs/{done['id']}").text)
    for words in ("detach legacy from 3 tables", "2 removed", "1 absent", "= 3 in all", "Ada"):
        assert words in page, words
    assert "spring cleaning" in page
    assert all(one in page for one in ids)  # the items of its only chunk
    assert "succeeded, 3 items: 2 removed, 1 absent" in page
    (event,) = re.findall(r'<pre tabindex="0">(\{.*?\})</pre>', page, re.DOTALL)
    assert json.loads(event)["id"] == f"{done['id']}.1"


def test_a_job_is_to_copy_as_command_curl_and_json(person: Person, tenant: str) -> None:
    ids = sorted(new_ids(2))
    name = "it's $(date)"
    person.gateway.store.tag(tenant, name, tables=ids)
    done = _done(person.gateway, tenant, names=[name], tables=ids, folders="*", max_affected=5)
    page = html.unescape(person.get(f"/console/jobs/{done['id']}").text)
    found = {
        kind: re.findall(rf'<pre id="copy-{kind}" tabindex="0">(.*?)</pre>', page, re.DOTALL)[0]
        for kind in ("command", "curl", "json")
    }
    words = shlex.split(found["command"])
    assert words[:6] == ["tagsweep", "detach", "--tenant", tenant, "--name", name]
    assert set(words[words.index("--tables") + 1].split(",")) == set(ids)
    assert words[words.index("--folders") + 1] == "*"
    body = json.loads(found["json"])
    assert body.pop("tables") == ids
    assert body == {"kind": "detach", "names": [name], "folders": "*", "max_affected": 5}
    sent = json.loads(shlex.split(found["curl"])[-1])
    assert sent == json.loads(found["json"])


def test_what_is_copied_goes_to_where_people_see_the_gateway(
    redis_stack: ServerStack, tenant: str
) -> None:
    """Behind a proxy that speaks TLS and puts the gateway below a path."""
    with serving(redis_stack, public_url="https://tags.example.com/sweep") as gateway:
        token, host = gateway.credential(tenant), {"host": "tags.example.com"}
        done = _done(gateway, tenant, names=["legacy"], tables=new_ids(1))
        with Person(gateway, **host, origin="https://tags.example.com") as person:
            cookie = "__Host-tagsweep-443"
            path = "/console/sign-in"
            person.headers["cookie"] = f"{cookie}=before"
            csrf = person.csrf(path)
            answer = person.post(path, data={"csrf": csrf, "key": token.key})
            (session,) = re.findall(rf"{cookie}=([^;]+)", answer.headers["set-cookie"])
            person.headers["cookie"] = f"{cookie}={session}"
            pages = [person.get(f"/console/jobs/{done['id']}").text]
            asked = {"csrf": person.csrf("/console/new"), "kind": "detach", "names": "legacy"}
            pages.append(person.post("/console/new", data={**asked, "which-tables": "all"}).text)
        for page in pages:
            assert "curl https://tags.example.com/sweep/api/v1/jobs/ " in html.unescape(page)


def test_an_undo_is_to_copy_with_its_options(person: Person, tenant: str) -> None:
    ids = new_ids(2)
    person.gateway.store.tag(tenant, "legacy", tables=ids)
    done = _done(person.gateway, tenant, names=["legacy"], tables=ids)
    options: dict[str, Any] = {"dry_run": True, "max_affected": 2, "note": "what if?"}
    undo = _done(person.gateway, tenant, kind="undo", job=done["id"], **options)
    page = html.unescape(person.get(f"/console/jobs/{undo['id']}").text)
    (command,) = re.findall(r'<pre id="copy-command" tabindex="0">(.*?)</pre>', page, re.DOTALL)
    words = shlex.split(command)
    assert words[:4] == ["tagsweep", "jobs", "undo", done["id"]]
    assert words[4:] == ["--max-affected", "2", "--note", "what if?", "--dry-run"]


def test_what_a_job_spares_and_deletes_is_told(person: Person, tenant: str) -> None:
    person.gateway.store.tag(tenant, "legacy", tables=new_ids(2))
    person.gateway.store.tag(tenant, MARKUP, tables=new_ids(1))
    conditions: dict[str, Any] = {
        "attached_before": "2030-01-01T02:00:00+02:00",
        "unless": [MARKUP],
    }
    conditions |= {"attached_after": "2020-01-01T00:00:00Z", "drop": True, "strict": True}
    done = _done(person.gateway, tenant, names=["legacy"], tables="*", **conditions)
    page = person.get(f"/console/jobs/{done['id']}").text
    for words in (
        "<dd>before 2030-01-01 00:00:00 UTC",
        "<dd>at or after 2020-01-01 00:00:00 UTC",
        f"what carries <bdi>{html.escape(MARKUP)}</bdi>",
        "the tags left without links are deleted",
        "refused if a name matches nothing",
    ):
        assert words in page, words


@pytest.mark.default_configuration
def test_reasons_count_items_as_the_job_does_and_say_if_not_all_were_read(
    redis_gateway: Gateway, tenant: str
) -> None:
    """A workspace that is not there fails with each of the keys."""
    done = _done(
        redis_gateway,
        tenant,
        kind="delete",
        workspaces=["w-1", "w-2", "w-3"],
        tags=[{"key": "env"}, {"key": "team"}],
    )
    assert done["counts"]["failed"] == 6
    with signed_in(redis_gateway, tenant) as person:
        page = person.get(f"/console/jobs/{done['id']}").text
    assert "Why 6 failed" in page
    assert re.search(r'unknown_workspace</span></th><td class="num">6</td>', page)
    assert "w-1, w-2, w-3<" in page
    assert "the receipt has all" not in page
    with redis_gateway.store.transaction() as connection:
        connection.execute(update(job).where(job.c.id == done["id"]).values(failed=60_000))
    with signed_in(redis_gateway, tenant) as person:
        page = person.get(f"/console/jobs/{done['id']}").text
    assert "These are the first 6 of them; the receipt has all." in page


@pytest.mark.parametrize("name", ["שלום", "عربي 1", "\u202eevil", "a\u2069\u202ez"])
def test_a_name_that_runs_from_right_to_left_leaves_the_rest_of_its_sentence_in_order(
    redis_gateway: Gateway, tenant: str, name: str
) -> None:
    _record(
        redis_gateway,
        tenant,
        {"head": {"names": [name, "old"]}},
        {"kind": "merge", "head": {"names": ["old"], "into": name}},
        {"kind": "set", "head": {"tags": [{"key": name, "value": "x"}], "workspaces": "*"}},
    )
    with signed_in(redis_gateway, tenant) as person:
        page = person.get("/console/jobs").text
    for words in re.findall(r'<th scope="row"><a [^>]*>(.*?)</a>', page):
        rest = re.sub("\u2068[^\u2068\u2069]*\u2069", "", words)
        assert not {"R", "AL", "AN", "RLO", "PDI"} & {*map(unicodedata.bidirectional, rest)}


def test_items_are_told_in_words(person: Person, tenant: str) -> None:
    wanted: dict[str, Any] = {"workspaces": ["w-1"], "tags": [{"key": "env", "value": "dev"}]}
    done = _done(person.gateway, tenant, kind="set", **wanted)
    page = person.get(f"/console/jobs/{done['id']}").text
    assert "<bdi>no</bdi>" in page  # it is no system tag
    assert ">1 chunk</h2>" in page
    ids = new_ids(1)
    person.gateway.store.tag(tenant, "legacy", tables=ids)
    done = _done(person.gateway, tenant, names=["legacy"], tables=ids)
    assert '<th scope="col">resource type</th>' in person.get(f"/console/jobs/{done['id']}").text


def test_a_list_that_is_long_is_a_file_in_the_command(person: Person, tenant: str) -> None:
    done = _done(person.gateway, tenant, names=["legacy"], tables=new_ids(50))
    page = html.unescape(person.get(f"/console/jobs/{done['id']}").text)
    assert "Put the ids into <code>tables.txt</code>, one a line" in page
    assert "--tables @tables.txt" in page
    assert "... 50 entries" in page


def test_chunks_are_a_map_to_zoom_into_with_a_table_beside_it(
    redis_gateway: Gateway, tenant: str
) -> None:
    (job_id,) = _record(redis_gateway, tenant, {"status": "partial", "failed": 1})
    rows: list[dict[str, Any]] = [
        {
            "job_id": UUID(job_id),
            "number": number,
            "state": "dropped" if number >= 4_000 else "done",
            "resource_type": 7,
            "items": 1,
            "names": [],
        }
        for number in range(5_000)
    ]
    place = {"resource_type": 7, "place": str(uuid4()), "code": "gone", "reason": MARKUP}
    with redis_gateway.store.transaction() as connection:
        connection.execute(insert(chunk), rows)
        connection.execute(insert(failure), [{"job_id": UUID(job_id), "chunk": 17, **place}])
    with signed_in(redis_gateway, tenant) as person:
        page = person.get(f"/console/jobs/{job_id}").text
        assert "a square is 3 chunks" in page
        cells = {
            state: path.count("M")
            for state, path in re.findall(r'<path class="s-(\w+)" d="([^"]*)"', page)
        }
        assert sum(cells.values()) == 1_667
        assert cells["failed"] == 1
        assert cells["dropped"] == 334
        assert html.escape(MARKUP) in page
        assert MARKUP not in page
        links = re.findall(rf'href="/console/jobs/{job_id}\?chunks=(\d+)-(\d+)"', page)
        assert len(links) <= 20
        assert links[0][0] == "0"
        assert links[-1][1] == "4999"
        while links and links[0][0] != links[0][1]:  # down to one, by the table alone
            text = person.get(f"/console/jobs/{job_id}?chunks={'-'.join(links[0])}").text
            links = re.findall(rf'href="/console/jobs/{job_id}\?chunks=(\d+)-(\d+)"', text)
        assert links[0] == ("0", "0")
        assert person.get(f"/console/jobs/{job_id}?chunks=9-1").status_code == 400
        assert "no such chunks" in person.get(f"/console/jobs/{job_id}?chunks=9000-9001").text


@pytest.mark.parametrize("form", ["csv", "ndjson"])
def test_a_receipt_is_a_file(person: Person, tenant: str, form: str) -> None:
    ids = new_ids(3)
    person.gateway.store.tag(tenant, "legacy", tables=ids)
    done = _done(person.gateway, tenant, names=["legacy"], tables=ids)
    answer = person.get(f"/console/jobs/{done['id']}/receipt.{form}")
    assert answer.status_code == 200
    assert f'filename="receipt-{done["id"]}.{form}"' in answer.headers["content-disposition"]
    assert all(one in answer.text for one in ids)
    assert person.get(f"/console/jobs/{done['id']}/receipt.exe").status_code == 404


def test_an_undo_is_asked_about_in_numbers_and_done_once(person: Person, tenant: str) -> None:
    ids = new_ids(3)
    store = person.gateway.store
    store.tag(tenant, "legacy", tables=ids)
    before = store.links(tenant)
    done = _done(person.gateway, tenant, names=["legacy"], tables=ids)
    path = f"/console/jobs/{done['id']}/undo"
    question = person.get(path).text
    assert "reverts the 3 changes" in question
    (token,) = re.findall(r'name="token" value="([^"]+)"', question)
    answers = [person.submit(path, token=token) for _ in range(2)]
    (target,) = {answer.headers["location"] for answer in answers}
    with person.gateway.client(tenant) as client:
        undone = ended(client, target.replace("/console/jobs/", "/api/v1/jobs/"))
    assert undone["requested_by"] == {"name": "Ada", "door": "console", "proved": True}
    assert store.links(tenant) == before
    assert f'href="{target}"' in person.get(f"/console/jobs/{done['id']}").text


def test_the_number_is_typed_before_much_is_undone(redis_gateway: Gateway, tenant: str) -> None:
    many = {"total": questions.LARGE, "changed": questions.LARGE}
    (job_id,) = _record(redis_gateway, tenant, many)
    with signed_in(redis_gateway, tenant) as person:
        path = f"/console/jobs/{job_id}/undo"
        assert "Type 10000 to confirm" in person.get(path).text
        for typed in ("", "10001", "1000"):
            answer = person.submit(path, typed=typed, token="t")
            assert answer.status_code == 400
            assert "Nothing was done" in answer.text
        assert len(_listed(person)) == 1
        assert person.submit(path, typed="10,000", token="t").status_code == 303


def test_pause_resume_cancel_and_retry_lead_back_to_the_job(
    idle_gateway: Gateway, tenant: str
) -> None:
    """No worker is there: the job stays as it is made."""
    with signed_in(idle_gateway, tenant) as person, idle_gateway.client(tenant) as client:
        made = client.post(
            "/api/v1/jobs/", json={"kind": "detach", "names": ["legacy"], "tables": new_ids(5)}
        ).json()
        path = f"/console/jobs/{made['id']}"
        for action, mark in (("pause", "paused"), ("resume", "queued"), ("cancel", "cancelled")):
            assert person.get(f"{path}/{action}").status_code == 200
            assert person.submit(f"{path}/{action}").headers["location"] == path
            assert f'class="pill {mark}"' in person.get(path).text
        for action in ("pause", "resume", "cancel", "undo"):
            assert person.get(f"{path}/{action}").status_code == 409
            assert person.submit(f"{path}/{action}").status_code == 409
        assert f"{path}/pause" not in person.get(path).text


def test_a_key_without_the_scope_sees_no_button_and_can_do_nothing(
    redis_gateway: Gateway, tenant: str
) -> None:
    (running,) = _record(redis_gateway, tenant, {"status": "running", "finished_at": None})
    (over,) = _record(redis_gateway, tenant, {"status": "partial", "total": 5})
    for scopes, allowed in ((("read",), ()), (("read", "undo"), ("undo",))):
        with signed_in(redis_gateway, tenant, scopes=scopes) as reader:
            for job_id, actions in ((running, ("cancel", "pause")), (over, ("retry", "undo"))):
                page = reader.get(f"/console/jobs/{job_id}").text
                for action in actions:
                    assert (f"/{action}" in page) == (action in allowed), action
                    if action not in allowed:
                        path = f"/console/jobs/{job_id}/{action}"
                        assert reader.get(path).status_code == 403
                        assert reader.submit(path).status_code == 403
    with redis_gateway.store.transaction() as connection:
        connection.execute(update(job).where(job.c.tenant == tenant).values(status="succeeded"))


def test_another_tenants_job_is_not_there(redis_gateway: Gateway, tenant: str) -> None:
    (theirs,) = _record(redis_gateway, new_tenant(), {"status": "partial", "total": 5})
    with signed_in(redis_gateway, tenant) as person:
        assert theirs not in person.get("/console/jobs").text
        for path in ("", "?chunks=0-0", "/receipt.csv", *(f"/{action}" for action in ACTIONS)):
            answer = person.get(f"/console/jobs/{theirs}{path}")
            assert answer.status_code == 404, path
            assert "legacy" not in answer.text
        for action in ACTIONS:
            assert person.submit(f"/console/jobs/{theirs}/{action}").status_code == 404
    with redis_gateway.client("", admin=True) as client:
        assert client.get(f"/api/v1/jobs/{theirs}").json()["status"] == "partial"


def test_an_admin_sees_all_tenants_and_undoes_for_none(redis_gateway: Gateway, tenant: str) -> None:
    (one,) = _record(redis_gateway, tenant, {})
    with signed_in(redis_gateway, "", admin=True) as admin:
        assert one in _listed(admin, f"?tenant={tenant}")
        page = admin.get(f"/console/jobs/{one}").text
        assert tenant in page
        assert "/undo" not in page
        assert admin.get(f"/console/jobs/{one}/undo").status_code == 403
        assert admin.submit(f"/console/jobs/{one}/undo").status_code == 403


def test_what_people_and_programs_name_is_shown_as_text(person: Person, tenant: str) -> None:
    person.gateway.store.tag(tenant, MARKUP, tables=new_ids(1))
    done = _done(person.gateway, tenant, names=[MARKUP, "</pre>"], tables="*", note=MARKUP)
    for path in ("/", "/jobs", f"/jobs?name={MARKUP}", f"/jobs/{done['id']}"):
        text = person.get(f"/console{path}").text
        assert MARKUP not in text, path
        assert html.escape(MARKUP) in text, path


@pytest.mark.parametrize("job_id", ["nonsense", NOWHERE, "0" * 36, "%00"])
def test_a_job_that_is_not_there_is_told_on_a_page(person: Person, job_id: str) -> None:
    answer = person.get(f"/console/jobs/{job_id}")
    assert answer.status_code == 404
    assert "There is no such job." in answer.text
    assert answer.headers["content-type"].startswith("text/html")


def test_a_read_only_console_shows_all_and_changes_nothing(
    redis_stack: ServerStack, tenant: str
) -> None:
    with (
        serving(redis_stack, console="read-only") as gateway,
        signed_in(gateway, tenant) as person,
    ):
        (over,) = _record(gateway, tenant, {"status": "partial", "total": 5})
        page = person.get(f"/console/jobs/{over}").text
        assert "/retry" not in page
        assert person.submit(f"/console/jobs/{over}/retry").status_code == 403
        assert person.submit("/console/sign-out").status_code == 303


def _all(person: Person, action: str, typed: str, **given: str) -> httpx.Response:
    return person.submit(f"/console/all/{action}", typed=typed, **given)


def test_all_jobs_that_a_filter_shows_are_cancelled_after_their_number_is_typed(
    idle_gateway: Gateway, tenant: str
) -> None:
    """No worker is there: the jobs stay as they are made."""
    with signed_in(idle_gateway, tenant) as person, idle_gateway.client(tenant) as client:
        for name in ("legacy", "legacy", "other"):
            body = {"kind": "detach", "names": [name], "tables": new_ids(2)}
            assert client.post("/api/v1/jobs/", json=body).status_code == 202
        assert "Cancel 2 jobs?" in person.get("/console/all/cancel?name=legacy").text
        for typed in ("", "3"):
            answer = _all(person, "cancel", typed, name="legacy")
            assert answer.status_code == 400
            assert "Nothing was done" in answer.text
        answer = _all(person, "cancel", "2", name="legacy")
        assert answer.headers["location"] == "/console/jobs?name=legacy"
        assert len(_listed(person, "?status=cancelled")) == 2
        assert "can be cancelled" in person.get("/console/all/cancel?name=legacy").text
        assert _all(person, "cancel", "1").headers["location"] == "/console/jobs"
        assert "Retry 3 jobs?" not in person.get("/console/all/retry?name=legacy").text


def test_all_jobs_that_a_filter_shows_are_retried(redis_gateway: Gateway, tenant: str) -> None:
    with redis_gateway.client(tenant) as client:
        body = {"kind": "detach", "names": ["legacy"], "tables": "*", "max_affected": 1}
        redis_gateway.store.tag(tenant, "legacy", tables=new_ids(3))
        for _ in range(2):
            ended(client, client.post("/api/v1/jobs/", json=body).headers["location"])
    with signed_in(redis_gateway, tenant) as person:
        assert "No job that the filter shows" in person.get("/console/all/retry").text
        many = [{"status": "cancelled", "total": 3, "changed": 0}] * 2
        _record(redis_gateway, tenant, *many)
        assert "Retry 2 jobs?" in person.get("/console/all/retry").text
        # nothing is left to try: each stays as it is, and the others are done all the same
        assert _all(person, "retry", "2").status_code == 303
        assert len(_listed(person, "?status=cancelled")) == 2


def test_many_jobs_are_only_those_of_the_tenant_and_need_the_scope(
    idle_gateway: Gateway, tenant: str
) -> None:
    other = new_tenant()
    with idle_gateway.client(other) as client:
        body = {"kind": "detach", "names": ["legacy"], "tables": new_ids(2)}
        client.post("/api/v1/jobs/", json=body)
    with signed_in(idle_gateway, tenant) as person:
        assert "No job that the filter shows" in person.get("/console/all/cancel").text
        assert _all(person, "cancel", "1").status_code == 400
        assert person.get(f"/console/all/cancel?tenant={other}").status_code == 403
        assert person.get("/console/all/undo").status_code == 404
    with signed_in(idle_gateway, other, scopes=("read",)) as reader:
        assert reader.get("/console/all/cancel").status_code == 403
        assert _all(reader, "cancel", "1").status_code == 403
        assert "/console/all/" not in reader.get("/console/jobs").text
    with signed_in(idle_gateway, "", admin=True) as admin:
        assert _all(admin, "cancel", "1", tenant=other).status_code == 303
        assert len(_listed(admin, f"?tenant={other}&status=cancelled")) == 1
