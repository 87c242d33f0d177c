"""A tenant that has one of everything that pages show: no page, and no question, is left out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import update

from tagsweep.producer.gateway.console import pages
from tagsweep.producer.gateway.console.presentation import questions
from tagsweep.worker.models.tables import chunk, job
from tests.support.gateway import Gateway, ended
from tests.support.receivers import Receiver
from tests.support.stack import eventually
from tests.support.stores import new_ids

#: what is no page: streams and files, parts of pages, and paths that lead elsewhere
NO_PAGES = {
    "/console",
    "/console/events",
    "/console/static/{name}",
    "/console/jobs/{job_id}/receipt.{form}",
    "/console/tags/search",
    "/console/{path:path}",
}
#: pages that show a form at which nobody is asked whether to do something
FORMS = {"/console/new", "/console/sign-in"}
ID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}(?:\.\d+)?|test\.[0-9a-f-]+")


def routes(method: str) -> set[str]:
    """Return the paths of all routes of a method."""
    return {route.path for route in pages.ROUTES if method in route.methods}


@dataclass(frozen=True)
class Everything:
    """What there is of a tenant, by the names that it has in paths."""

    gateway: Gateway
    tenant: str
    jobs: dict[str, str]  #: by what can be done to them
    hooks: dict[str, str]  #: one that is on, and one that is off
    event: str  #: of the former
    key: str
    tag: str

    def paths(self, route: str) -> list[str]:
        """Return paths of a route; raises KeyError for one that nobody has thought of here."""
        on, off = self.hooks["on"], self.hooks["off"]
        named = {
            "/console/jobs/{job_id}": list(self.jobs.values()),
            "/console/jobs/{job_id}/{action}": [f"{own}/{do}" for do, own in self.jobs.items()],
            "/console/all/{action}": ["cancel", "retry"],
            "/console/tags/{tag_id}/rename": [f"{self.tag}/rename"],
            "/console/keys/{key_id}/revoke": [f"{self.key}/revoke"],
            "/console/webhooks/{webhook_id}": [on, off],
            "/console/webhooks/{webhook_id}/{action}": [
                *(f"{on}/{do}" for do in ("test", "disable", "delete")),
                f"{off}/enable",
            ],
            "/console/webhooks/{webhook_id}/deliveries/{event_id}/redeliver": [
                f"{on}/deliveries/{self.event}/redeliver"
            ],
        }
        for last in ("change", "rotate", "redeliver"):
            named[f"/console/webhooks/{{webhook_id}}/{last}"] = [f"{on}/{last}"]
        if "{" not in route:
            return [route]
        return [route.partition("{")[0] + one for one in named[route]]

    def pages(self) -> Iterator[str]:
        """Yield paths of all pages there are."""
        for route in sorted(routes("GET") - NO_PAGES):
            yield from self.paths(route)

    def questions(self) -> set[str]:
        """Return what a page asks, or shows a form for, in a dialog; without ids."""
        asked = (routes("GET") & routes("POST")) - FORMS
        return {ID.sub("ID", path) for route in asked for path in self.paths(route)}


def made(gateway: Gateway, receiver: Receiver, tenant: str, name: str) -> Everything:
    """Make one of everything; whatever has a name has this one."""
    ids = new_ids(3)
    gateway.store.tag(tenant, name, tables=ids)
    gateway.store.tag(tenant, f"{name} 2", tables=ids, folders=ids)
    links = {"kind": "detach", "names": [name], "note": name}
    unknown = {"kind": "delete", "workspaces": ["none"], "tags": [{"key": name, "value": name}]}
    with gateway.client(tenant, name=name) as client:

        def done(body: dict[str, Any]) -> str:
            answer = client.post("/api/v1/jobs/", json=body)
            assert answer.status_code == 202, answer.text
            return str(ended(client, answer.headers["location"])["id"])

        def hook(path: str) -> str:
            answer = client.post("/api/v1/webhooks/", json={"url": receiver.url(path)})
            assert answer.status_code == 201, answer.text
            receiver.secrets[path] = [answer.json()["secret"]]
            return str(answer.json()["id"])

        on, off = hook("/on"), hook("/off")
        client.patch(f"/api/v1/webhooks/{off}", json={"enabled": False})
        tried = client.post(f"/api/v1/webhooks/{on}/test")
        assert tried.is_success, tried.text
        (event,) = eventually(lambda: receiver.ids("/on"))
        merge = {"kind": "merge", "into": f"{name} 3", "names": [f"{name} 2"], "unless": [name]}
        jobs = {
            "undo": done({**links, "tables": ids}),
            "retry": done(unknown),
            "run": done({**merge, "dry_run": True}),
            **{do: _held(gateway, tenant, name, paused=do == "resume") for do in _OPEN},
        }
        (tag,) = [
            one for one in client.get("/api/v1/tags/").json()["results"] if one["name"] == name
        ]
    assert jobs.keys() == questions.SCOPES.keys()
    key = str(gateway.credential(tenant, name=name).id)
    return Everything(gateway, tenant, jobs, {"on": on, "off": off}, event, key, str(tag["id"]))


#: what can be done to a job that has not ended
_OPEN = ("pause", "resume", "cancel")


def _held(gateway: Gateway, tenant: str, name: str, *, paused: bool) -> str:
    """Return a running job that no worker goes on with: its one chunk is put off."""
    now = datetime.now(UTC)
    later = now.replace(year=now.year + 1)
    row = {
        "id": uuid4(),
        "tenant": tenant,
        "kind": "detach",
        "status": "running",
        "fingerprint": bytes(32),
        "head": {"names": [name], "note": name},
        "matched": [],
        "errors": [],
        "parts_in": 1,
        "parts": 1,
        "sizes": {"tables": 2},
        "total": 2,
        "open": 1,
        "paused": paused,
        "waiting": name,
        "retry_at": later,
        "accepted_at": now,
        "started_at": now,
        "requested_by": {"name": name, "door": "http", "proved": True},
    }
    part: dict[str, Any] = {
        "job_id": row["id"],
        "number": 0,
        "state": "open",
        "resource_type": 7,
        "items": 2,
    }
    part["ids"] = b"".join(UUID(one).bytes for one in new_ids(2))
    with gateway.store.transaction() as connection:
        connection.execute(job.insert().values(**row))
        connection.execute(chunk.insert().values(**part, names=[], waiting=name, retry_at=later))
    return str(row["id"])


def ends(everything: Everything) -> None:
    """End what is held."""
    with everything.gateway.store.transaction() as connection:
        held = job.c.tenant == everything.tenant, job.c.status == "running"
        over = {"status": "cancelled", "open": 0, "finished_at": datetime.now(UTC)}
        connection.execute(update(job).where(*held).values(**over))
        own = chunk.c.job_id.in_(list(everything.jobs.values())), chunk.c.state == "open"
        connection.execute(update(chunk).where(*own).values(state="dropped"))
