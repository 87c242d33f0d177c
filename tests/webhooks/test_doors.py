"""The doors: webhooks are made and seen through gateway and command line, each tenant its own."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tagsweep import TagSweep
from tagsweep.worker.audit import entries
from tagsweep.worker.audit.entries import EntryFilter
from tests.support.gateway import Gateway
from tests.support.hooks import SETTINGS
from tests.support.receivers import Receiver
from tests.support.stack import ServerStack, environment, eventually, producing
from tests.support.stores import new_ids, new_tenant

WEBHOOKS = "/api/v1/webhooks/"
DETACH = "/api/v1/tags/detach/"

pytestmark = [pytest.mark.slow, pytest.mark.default_configuration]


def _made(client: httpx.Client, receiver: Receiver, path: str, **more: Any) -> dict[str, Any]:
    answer = client.post(WEBHOOKS, json={"url": receiver.url(path), **more})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    receiver.secrets[path] = [made["secret"]]
    return made


def test_a_webhook_is_made_tried_used_changed_and_deleted_over_http(
    hook_gateway: Gateway, receiver: Receiver, tenant: str
) -> None:
    with hook_gateway.client(tenant) as client:
        made = _made(client, receiver, "/a", kinds=["detach"])
        one = f"{WEBHOOKS}{made['id']}"
        shown = client.get(one).json()
        assert "secret" not in shown
        assert client.get(WEBHOOKS).json()["results"] == [shown]
        tried = client.post(f"{one}/test").json()
        eventually(lambda: receiver.ids("/a") == [tried["event_id"]])
        done = client.post(DETACH, json={"names": ["x"], "tables": new_ids(1)})
        job = done.headers["Content-Location"].rpartition("/")[2]
        eventually(lambda: f"{job}.1" in receiver.ids("/a"))
        rows = eventually(lambda: _log(client, one, state="delivered", page_size=1))
        assert rows["count"] in (1, 2)
        again = client.post(f"{one}/deliveries/{job}.1/redeliver")
        assert again.status_code == 202
        eventually(lambda: receiver.ids("/a").count(f"{job}.1") == 2)
        since = client.post(f"{one}/redeliver", json={"since": "2026-01-01T00:00:00Z"})
        assert since.json() == {"count": 1}
        changed = client.patch(one, json={"enabled": False, "statuses": ["failed"]}).json()
        assert (changed["enabled"], changed["statuses"]) == (False, ["failed"])
        assert client.delete(one).status_code == 204
        assert client.get(one).status_code == 404
    with hook_gateway.store.transaction() as connection:
        found = entries.page(connection, EntryFilter(tenant), None, 100)
    noted = [entry for entry in reversed(found) if entry.action.startswith("webhook.")]
    did = [entry.action.removeprefix("webhook.") for entry in noted]
    assert did == ["create", "test", "redeliver", "redeliver", "update", "delete"]
    assert all(entry.credential for entry in noted)
    assert made["secret"] not in str(noted)
    assert receiver.forged == []


def test_each_act_on_a_webhook_is_noted_with_who_did_it(
    hook_gateway: Gateway, receiver: Receiver, tenant: str
) -> None:
    with hook_gateway.client(tenant, name="ann") as client:
        made = client.post("/api/v1/webhooks/", json={"url": receiver.url("/a")}).json()
        receiver.secrets["/a"] = [made["secret"]]
        one = f"/api/v1/webhooks/{made['id']}"
        tried = client.post(f"{one}/test").json()["event_id"]
        client.patch(one, json={"kinds": ["merge"]})
        client.post(f"{one}/deliveries/{tried}/redeliver")
        client.post(f"{one}/redeliver", json={"since": "2026-01-31T12:00:00Z"})
        client.post(f"{one}/rotate")
        assert client.delete(one).status_code == 204
        found = client.get("/api/v1/audit/", params={"requested_by": "ann"}).json()["results"]
    assert [entry["action"].removeprefix("webhook.") for entry in reversed(found)] == [
        *("create", "test", "update", "redeliver", "redeliver", "rotate", "delete"),
    ]
    assert {(entry["target"], entry["requested_by"]["door"]) for entry in found} == {
        (made["id"], "http")
    }
    assert made["secret"] not in str(found)


def _log(client: httpx.Client, one: str, **query: Any) -> dict[str, Any] | None:
    page: dict[str, Any] = client.get(f"{one}/deliveries", params=query).json()
    return page if page["results"] else None


def test_nobody_sees_or_touches_the_webhooks_of_another_tenant(
    hook_gateway: Gateway, receiver: Receiver, tenant: str
) -> None:
    with hook_gateway.client(tenant) as mine, hook_gateway.client(new_tenant()) as theirs:
        one = f"{WEBHOOKS}{_made(mine, receiver, '/a')['id']}"
        event = mine.post(f"{one}/test").json()["event_id"]
        assert theirs.get(WEBHOOKS).json()["count"] == 0
        for method, path, body in (
            ("GET", "", None),
            ("PATCH", "", {"enabled": False}),
            ("DELETE", "", None),
            ("POST", "/rotate", {}),
            ("POST", "/test", None),
            ("GET", "/deliveries", None),
            ("POST", f"/deliveries/{event}/redeliver", None),
            ("POST", "/redeliver", {"since": "2026-01-01T00:00:00Z"}),
        ):
            answer = theirs.request(method, one + path, json=body)
            assert answer.status_code == 404, (method, path)
        assert mine.get(one).json()["enabled"]


def test_a_key_that_only_reads_changes_nothing(
    hook_gateway: Gateway, receiver: Receiver, tenant: str
) -> None:
    with hook_gateway.client(tenant, scopes=("read",)) as client:
        assert client.get(WEBHOOKS).status_code == 200
        for path in ("", "callbacks/rotate", f"{uuid4()}/test", f"{uuid4()}/rotate"):
            answer = client.post(WEBHOOKS + path, json={"url": receiver.url("/a")})
            assert answer.status_code == 403, path


@pytest.mark.parametrize(
    "body, status, path",
    [
        ({}, 400, "/url"),
        ({"url": None}, 400, "/url"),
        ({"url": "https://user@h.example"}, 400, "/url"),
        ({"url": "https://169.254.169.254/latest/meta-data"}, 422, "/url"),
        ({"url": "https://[::ffff:a9fe:a9fe]/"}, 422, "/url"),
        ({"url": "http://10.0.0.1/"}, 422, "/url"),
        ({"url": "https://no-such-host.invalid/"}, 422, "/url"),
        ({"url": "http://127.0.0.1/", "secret": "short"}, 400, "/secret"),
        ({"url": "http://127.0.0.1/", "secret": "whsec_c2hvcnQ="}, 400, "/secret"),
        ({"url": "http://127.0.0.1/", "kinds": ["remove"]}, 400, "/kinds"),
        ({"url": "http://127.0.0.1/", "statuses": []}, 400, "/statuses"),
        ({"url": "http://127.0.0.1/", "status": ["failed"]}, 400, "/status"),
    ],
)
def test_a_bad_webhook_is_refused_by_field_and_not_made(
    hook_gateway: Gateway, tenant: str, body: dict[str, Any], status: int, path: str
) -> None:
    with hook_gateway.client(tenant) as client:
        answer = client.post(WEBHOOKS, json=body)
        assert (answer.status_code, answer.json()["errors"][0]["path"]) == (status, path)
        assert "short" not in answer.text
        assert client.get(WEBHOOKS).json()["count"] == 0


def test_a_jobs_own_callback_is_sent_signed_with_the_callback_secret_through_every_door(
    hook_gateway: Gateway, hook_stack: ServerStack, receiver: Receiver, tenant: str
) -> None:
    body = {"tenant": tenant, "names": ["x"], "tables": new_ids(1)}
    body["callback_url"] = receiver.url("/a")
    job = {**body, "kind": "detach"}
    with hook_gateway.client(tenant) as client:
        refused = client.post("/api/v1/jobs/", json=job)
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["code"] == "no_callback_secret"
        with pytest.raises(Exception, match="callback secret"):
            hook_stack.run("tags.detach", body)
        assert _cli(hook_stack, "detach", *_typed(tenant, receiver)).returncode == 2
        receiver.secrets["/a"] = [client.post(f"{WEBHOOKS}callbacks/rotate").json()["secret"]]
        ids = [client.post("/api/v1/jobs/", json=job).json()["id"]]
        ids.append(hook_stack.run("tags.detach", body)["job_id"])
        with producing(hook_stack) as sender:
            ids.append(_sent(sender, body))
        done = _cli(hook_stack, "detach", *_typed(tenant, receiver), "--json")
        ids.append(json.loads(done.stdout)["job_id"])
        eventually(lambda: set(receiver.ids("/a")) == {f"{one}.1" for one in ids})
        private = {**job, "callback_url": "https://10.0.0.1/"}
        answer = client.post("/api/v1/jobs/", json=private)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["code"] == "address_refused"
        assert "callback_url" not in client.get(f"/api/v1/jobs/{ids[0]}").text
    assert receiver.forged == []


def _typed(tenant: str, receiver: Receiver) -> tuple[str, ...]:
    ids = ",".join(new_ids(1))
    own = ("--callback-url", receiver.url("/a"))
    return ("--tenant", tenant, "--name", "x", "--tables", ids, *own)


def _sent(sender: TagSweep, body: dict[str, Any]) -> str:
    handle = sender.detach(**body)
    handle.result(timeout=30)
    return handle.id


def _cli(stack: ServerStack, *command: str, **settings: object) -> subprocess.CompletedProcess[str]:
    given = settings or {**stack.settings, **SETTINGS}
    return subprocess.run(
        [sys.executable, "-m", "tagsweep.producer.cli", *command],
        env=environment(**given),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("way", ["store", "gateway"])
def test_the_command_line_does_all_that_http_does(
    hook_gateway: Gateway, hook_stack: ServerStack, receiver: Receiver, tenant: str, way: str
) -> None:
    key = hook_gateway.credential(tenant).key
    settings = {"url": hook_gateway.url, "api_key": key} if way == "gateway" else {}

    def run(*command: str, status: int = 0) -> Any:
        done = _cli(hook_stack, "webhooks", *command, "--json", **settings)
        assert done.returncode == status, done.stderr
        assert "Traceback" not in done.stderr
        return json.loads(done.stdout) if done.stdout else done.stderr

    made = run("create", "--tenant", tenant, "--url", receiver.url("/a"), "--kind", "detach")
    receiver.secrets["/a"] = [made["secret"]]
    assert made["secret"].startswith("whsec_")
    assert [one["id"] for one in run("list", "--tenant", tenant)] == [made["id"]]
    assert run("test", made["id"])["state"] == "delivered"
    (row,) = run("deliveries", made["id"])
    run("redeliver", made["id"], row["event_id"])
    eventually(lambda: receiver.ids("/a") == [row["event_id"]] * 2)
    assert run("redeliver", made["id"], "--since", "1h") == {"count": 0}
    receiver.secrets["/a"].append(run("rotate", made["id"])["secret"])
    assert run("test", made["id"])["state"] == "delivered"
    assert run("rotate", "--callbacks", "--tenant", tenant)["secret"].startswith("whsec_")
    receiver.answers["/a"] = 410
    assert run("test", made["id"], status=1)["state"] == "failed"
    assert run("enable", made["id"])["enabled"]
    run("delete", made["id"])
    assert "tagsweep webhooks list" in run("deliveries", made["id"], status=1)
    refused = run("create", "--tenant", tenant, "--url", "https://169.254.169.254/", status=2)
    assert refused.startswith("tagsweep: --url: 169.254.169.254 leads to")
    assert receiver.forged == []


def test_doctor_tells_of_webhooks_that_are_off_and_of_secrets_that_it_cannot_open(
    hook_gateway: Gateway, hook_stack: ServerStack, receiver: Receiver, tenant: str
) -> None:
    with hook_gateway.client(tenant) as client:
        made = _made(client, receiver, "/a")
        receiver.answers["/a"] = 410
        client.post(f"{WEBHOOKS}{made['id']}/test")
        eventually(lambda: not client.get(f"{WEBHOOKS}{made['id']}").json()["enabled"])
    told = _cli(hook_stack, "doctor").stdout
    assert f"Webhook {made['id']} of {tenant} is switched off." in told
    keyless = _cli(hook_stack, "doctor", **hook_stack.settings).stdout
    assert "TAGSWEEP_SECRET_KEY is not set" in keyless
    with hook_gateway.client(tenant) as client:
        client.delete(f"{WEBHOOKS}{made['id']}")
