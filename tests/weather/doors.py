"""Those who do not go through the broker: what they send, and what they are told."""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
from typing import Any

import httpx
from sqlalchemy import select

from tagsweep.worker.models.tables import job as jobs
from tests.chaos.model import Errand
from tests.support.cli import Ended
from tests.weather.site import Site
from tests.weather.world import Case

DETACH, JOBS = "/api/v1/tags/detach/", "/api/v1/jobs/"
PAUSE_S = 0.3
#: what the gateway answers if the store is lost at the commit, and what it says then
LOST, NOT_KNOWN = 500, "it is not known whether it is recorded"


class Doors:
    """Services that share the database, clients of the gateway, and people at a command line."""

    def __init__(self, site: Site, case: Case) -> None:
        self.site = site
        self.case = case
        self.clients: dict[str, httpx.Client] = {}
        self.wrong: list[str] = []  #: answers that nobody should get
        self.heard: list[str] = []  #: what senders were told while they were refused
        self.over = threading.Event()  #: set when the fault is over: from then on, no more pauses

    def open(self) -> None:
        """Make a key for each tenant."""
        for tenant in self.case.tenants:
            self.clients[tenant] = self.site.gateway.client(tenant)

    def close(self) -> None:
        """Let go of every connection."""
        self.over.set()
        for client in self.clients.values():
            client.close()

    def record(self, errands: list[Errand]) -> None:
        """Record jobs as a service does that shares the database; told that it failed, again."""
        for errand in errands:
            while True:
                try:
                    self.case.record(errand)
                    break
                except Exception as error:  # noqa: BLE001  # its driver's own
                    self.heard.append(f"record: {error}"[:200])
                    self.over.wait(PAUSE_S)
            self.over.wait(0.6)

    def post(self, errands: list[Errand]) -> None:
        """Post jobs and do not wait for them."""
        for errand in errands:
            body = {"kind": errand.kind, **errand.body}
            answer = self._until_taken(errand, JOBS, body, (202,))
            self.case.known_as(errand, answer.json()["id"])
            self.over.wait(0.6)

    def call(self, errands: list[Errand]) -> None:
        """Call the synchronous contract, and wait for the end."""
        for errand in errands:
            self._until_taken(errand, DETACH, errand.body, (200, 202))
            self.case.known_as(errand, self._recorded(errand) or "")
            self.over.wait(0.6)

    def call_once(self, errands: list[Errand]) -> None:
        """Call it, and take a 503 at its word: nothing was done, and nothing will be.

        Where the store was lost at the commit, the answer says that this is not known.
        """
        for errand in errands:
            answer = self._ask(errand, DETACH, errand.body, {}, (200, 202))
            if answer and (answer.status_code != LOST or self._recorded(errand)):
                self.case.known_as(errand, self._recorded(errand) or "")
            else:
                self.case.not_done(errand)
            self.over.wait(1)

    def _until_taken(
        self, errand: Errand, path: str, body: dict[str, Any], fine: tuple[int, ...]
    ) -> httpx.Response:
        headers = {"Idempotency-Key": errand.id}
        while True:
            answer = self._ask(errand, path, body, headers, fine)
            if answer and answer.status_code != LOST:
                return answer
            time.sleep(PAUSE_S)

    def _ask(
        self,
        errand: Errand,
        path: str,
        body: dict[str, Any],
        headers: dict[str, str],
        fine: tuple[int, ...],
    ) -> httpx.Response | None:
        body = {name: value for name, value in body.items() if name != "tenant"}
        client = self.clients[errand.body["tenant"]]
        answer = client.post(path, json=body, headers=headers)
        if answer.status_code in fine:
            return answer
        self.heard.append(f"{path}: {answer.status_code} {answer.text}"[:300])
        if answer.status_code == LOST and self.case.ends_sessions and NOT_KNOWN in answer.text:
            return answer
        if answer.status_code != 503:
            self.wrong.append(self.heard[-1])
        elif "retry-after" not in answer.headers:
            self.wrong.append(f"no Retry-After: {self.heard[-1]}")
        return None

    def type(self, errands: list[Errand]) -> None:
        """Type commands that wait; one that failed without a job is typed again."""
        for number, errand in enumerate(errands):
            file = self.site.command.file(f"ids-{errand.id}", errand.body["tables"])
            names = [part for name in errand.body["names"] for part in ("--name", name)]
            tenant = errand.body["tenant"]
            while True:
                done = self.site.command(
                    "detach", "--tenant", tenant, *names, "--tables", file, "--json"
                )
                job_id = self._recorded(errand)
                self._check_command(done, job_id, errand)
                if job_id:
                    self.case.known_as(errand, job_id)
                    break
                time.sleep(PAUSE_S)
            self.over.wait(number)

    def _check_command(self, done: Ended, job_id: str | None, errand: Errand) -> None:
        words = f"exit {done.status}: {done.err[-600:]}"
        self.heard.append(words)
        if done.status == 0 and json.loads(done.out)["counts"] != errand.told:
            self.wrong.append(f"untrue: {done.out}")
        if "Traceback" in done.err or done.status not in (0, 1, 3):
            self.wrong.append(words)
        if done.status == 1 and job_id and not self.case.fails_items:
            self.wrong.append(f"job {job_id} goes on, and: {words}")
        if done.status == 3 and job_id and not re.search(job_id, done.err):
            self.wrong.append(f"job {job_id} is not named: {words}")

    def _recorded(self, errand: Errand) -> str | None:
        """Return the id of the one job of its tenant; None where there is none."""
        query = select(jobs.c.id).where(jobs.c.tenant == errand.body["tenant"])
        while True:
            with contextlib.suppress(Exception), self.case.store.transaction() as connection:
                found = connection.execute(query).scalars().all()
                return str(found[0]) if found else None
            time.sleep(PAUSE_S)
