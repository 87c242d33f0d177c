"""What must come of a number of jobs, whatever dies on the way: a model, and its invariants."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select

from tagsweep.worker.jobs import parts, recording
from tagsweep.worker.jobs.derived import runs
from tagsweep.worker.mapping import whole_tags
from tagsweep.worker.models.jobs import KINDS, Job
from tagsweep.worker.models.records import ENDS
from tagsweep.worker.models.run import RunRequest
from tagsweep.worker.models.tables import job as jobs
from tagsweep.worker.models.tables import outbox
from tagsweep.worker.models.views import words
from tests.chaos.stored import open_rows, removed_by
from tests.servers.processes import wait_until
from tests.support import driving
from tests.support.stack import ServerStack
from tests.support.stores import (
    Link,
    Store,
    counts,
    id_of,
    new_tenant,
)

ENV, OWNER = {"key": "env", "value": "dev"}, {"key": "owner"}


@dataclass(frozen=True, eq=False)
class Errand:
    """A job to be done, and what must come of it."""

    id: str
    kind: str
    body: dict[str, Any]
    counts: dict[str, int]
    status: str = "succeeded"
    present: int = 0  #: of what a merge removed: where the other tag was already
    runs: bool = False  #: whether it is the run of a preview: the body is that of a request to run
    gone: frozenset[str] = frozenset()  #: names of tags that it drops

    @property
    def task(self) -> str:
        """The task that does it."""
        return "tags.run" if self.runs else f"tags.{self.kind}"

    @property
    def told(self) -> dict[str, int]:
        """The counts, under the names that its kind has for them."""
        own = dict(zip(("removed", "absent"), words(self.kind), strict=True))
        told = {own.get(name, name): number for name, number in self.counts.items()}
        if self.kind == "merge":
            told |= {"moved": told["moved"] - self.present, "present": self.present}
        return told

    @property
    def written(self) -> int:
        """How many changes it writes down: of what a merge moves, those of both tags."""
        return self.counts["removed"] + self.told.get("moved", 0)

    def job(self) -> Job:
        """Return it as a worker reads it."""
        return KINDS[self.kind].parse(driving.body(self.body))


@dataclass
class World:
    """Tenants whose links and tags are known to the last one, and jobs that remove some."""

    store: Store
    draw: random.Random
    tenants: list[str] = field(default_factory=lambda: [new_tenant() for _ in range(3)])
    errands: list[Errand] = field(default_factory=list)
    links: dict[str, set[Link]] = field(default_factory=dict)
    tags: dict[str, set[tuple[str, str, str, bool]]] = field(default_factory=dict)

    def id(self) -> str:
        """Return the id of a new job, the same one in each run of the same seed."""
        return str(UUID(int=self.draw.getrandbits(128), version=4))

    def ids(self, number: int) -> list[str]:
        """Return the ids of new resources likewise."""
        return [id_of(self.draw.getrandbits(128)) for _ in range(number)]

    def errand(self, size: int) -> Errand:
        """Prepare a job of some kind about ``size`` resources or, a tenth of it, workspaces."""
        tenant = self.draw.choice(self.tenants)
        if self.draw.random() < 0.7:
            return self.draw.choice(self.on_links())(tenant, size)
        return self.draw.choice([self.delete, self.set])(tenant, max(1, size // 10))

    def on_links(self) -> list[Callable[[str, int], Errand]]:
        """Return what prepares jobs on links; the tags of a map are not dropped."""
        makers: list[Callable[[str, int], Errand]]
        makers = [self.detach, self.detach, self.attach, self.select, self.preview, self.merge]
        return [*makers, self.drop] if self.store.tables.drops else makers

    def detach(self, tenant: str, size: int) -> Errand:
        """Prepare a detach of two tags, of which half and a quarter of the resources carry one."""
        ids = self.ids(size)
        kept = self.ids(3)
        job_id = self.id()
        first, second = f"first-{job_id}", f"second-{job_id}"
        self.store.tag(tenant, first, tables=[*ids[::2], *kept])
        self.store.tag(tenant, second, tables=ids[::4], folders=kept)
        stay = {(first, "tables", one) for one in kept} | {(second, "folders", one) for one in kept}
        self.links.setdefault(tenant, set()).update(stay)
        removed = len(ids[::2]) + len(ids[::4])
        total = counts(total=2 * size, removed=removed, absent=2 * size - removed)
        body = {"tenant": tenant, "names": [second, "unknown", first], "tables": ids}
        return self._added(Errand(job_id, "detach", body, total))

    def attach(self, tenant: str, size: int) -> Errand:
        """Prepare an attach of a new tag, and of one that half of the resources carry."""
        ids = self.ids(size)
        job_id = self.id()
        new, known = f"new-{job_id}", f"known-{job_id}"
        self.store.tag(tenant, known, tables=ids[::2])
        both = {(name, "tables", one) for name in (new, known) for one in ids}
        self.links.setdefault(tenant, set()).update(both)
        present = len(ids[::2])
        told = counts(total=2 * size, removed=2 * size - present, absent=present)
        body = {"tenant": tenant, "names": [new, known], "tables": ids}
        return self._added(Errand(job_id, "attach", body, told))

    def select(self, tenant: str, size: int) -> Errand:
        """Prepare a detach of all tables that carry a tag, which folders carry too."""
        ids, kept = self.ids(size), self.ids(3)
        job_id = self.id()
        name = f"all-{job_id}"
        self.store.tag(tenant, name, tables=ids, folders=kept)
        self.links.setdefault(tenant, set()).update((name, "folders", one) for one in kept)
        body = {"tenant": tenant, "names": [name], "tables": "*"}
        return self._added(Errand(job_id, "detach", body, counts(total=size, removed=size)))

    def preview(self, tenant: str, size: int) -> Errand:
        """Prepare the preview of a detach: it tells of half of the resources, and all stay."""
        ids = self.ids(size)
        job_id = self.id()
        name = f"stays-{job_id}"
        self.store.tag(tenant, name, tables=ids[::2])
        self.links.setdefault(tenant, set()).update((name, "tables", one) for one in ids[::2])
        would = len(ids[::2])
        body = {"tenant": tenant, "names": [name], "tables": ids, "dry_run": True}
        told = counts(total=size, removed=would, absent=size - would)
        return self._added(Errand(job_id, "detach", body, told))

    def run(self, tenant: str, size: int) -> Errand:
        """Prepare the run of a preview that is done here; since then the other half has the tag."""
        shown = self.preview(tenant, size)
        self.record(shown)
        driving.run_recorded(UUID(shown.id))
        (name,), ids = shown.body["names"], shown.body["tables"]
        self.store.tag(tenant, name, tables=ids[1::2])
        links = self.links[tenant]
        links -= {(name, "tables", one) for one in ids[::2]}
        links |= {(name, "tables", one) for one in ids[1::2]}
        wanted = RunRequest(tenant=tenant, job=shown.id)
        body = wanted.body()
        return self._added(Errand(str(wanted.job_id), "detach", body, shown.counts, runs=True))

    def drop(self, tenant: str, size: int) -> Errand:
        """Prepare a detach of a tag from all that carries it, which drops the tag."""
        ids = self.ids(size)
        job_id = self.id()
        name = f"gone-{job_id}"
        self.store.tag(tenant, name, tables=ids, folders=ids[::2])
        total = size + len(ids[::2])
        body = {"tenant": tenant, "names": [name], **whole_tags.every(), "drop": True}
        told = counts(total=total, removed=total)
        return self._added(Errand(job_id, "detach", body, told, gone=frozenset([name])))

    def merge(self, tenant: str, size: int) -> Errand:
        """Prepare a merge of all links to two tags, a half and a quarter, into a new one.

        Every other one drops the two, if jobs may.
        """
        ids = self.ids(size)
        job_id = self.id()
        first, second, into = (f"{name}-{job_id}" for name in ("first", "second", "into"))
        self.store.tag(tenant, first, tables=ids[::2])
        self.store.tag(tenant, second, tables=ids[::4], folders=ids[::2])
        moved = {(into, kind, one) for kind in ("tables", "folders") for one in ids[::2]}
        self.links.setdefault(tenant, set()).update(moved)
        present = len(ids[::4])
        total = len(moved) + present
        drop = self.store.tables.drops and self.draw.random() < 0.5
        gone = frozenset([first, second] if drop else [])
        body = {"tenant": tenant, "names": [second, first], "into": into, "drop": drop}
        told = counts(total=total, removed=total)
        return self._added(Errand(job_id, "merge", body, told, present=present, gone=gone))

    def delete(self, tenant: str, size: int) -> Errand:
        """Prepare a delete on workspaces of which each has one wanted tag, and one is unknown."""
        job_id = self.id()
        names = [f"w-{job_id[:20]}-{number}" for number in range(size)]
        left = self.tags.setdefault(tenant, set())
        for name in names:
            self.store.workspace(tenant, name, {"env": "dev", "team": "a"}, {"env": "dev"})
            left |= {(name, "team", "a", False), (name, "env", "dev", True)}
        body = {"tenant": tenant, "workspaces": [*names, "nowhere"], "tags": [ENV, OWNER]}
        told = counts(total=2 * size + 2, removed=size, absent=size, failed=2)
        return self._added(Errand(job_id, "delete", body, told, "partial"))

    def set(self, tenant: str, size: int) -> Errand:
        """Prepare a set of two keys: half of the workspaces have one value, one is unknown."""
        job_id = self.id()
        names = [f"s-{job_id[:20]}-{number}" for number in range(size)]
        left = self.tags.setdefault(tenant, set())
        for number, name in enumerate(names):
            self.store.workspace(tenant, name, {"env": "prod" if number % 2 else "dev"})
            left |= {(name, "env", "prod", False), (name, "team", "b", False)}
        tags = [{"key": "env", "value": "prod"}, {"key": "team", "value": "b"}]
        body = {"tenant": tenant, "workspaces": [*names, "nowhere"], "tags": tags}
        there = size // 2
        told = counts(total=2 * size + 2, removed=2 * size - there, absent=there, failed=2)
        return self._added(Errand(job_id, "set", body, told, "partial"))

    def send(self, stack: ServerStack, errand: Errand) -> None:
        """Send a job as any service does."""
        stack.send(errand.task, errand.body, task_id=errand.id)

    def record(self, errand: Errand) -> None:
        """Record a job in the store, as a service in its own transaction does; no message."""
        if errand.runs:
            with self.store.transaction() as connection:
                runs.record(connection, RunRequest.parse(errand.body))
            return
        job = errand.job()
        with self.store.transaction() as connection:
            recording.record_with_lists(connection, UUID(errand.id), job, [parts.lists_of(job)])

    def wait(self, seconds: float) -> None:
        """Return once every job has ended and every end of it is published; fail otherwise."""
        wanted = jobs.c.id.in_([UUID(errand.id) for errand in self.errands])
        told = select(func.count()).where(outbox.c.job_id == jobs.c.id, _told()).scalar_subquery()
        ended = jobs.c.status.in_(ENDS) & (told == jobs.c.ends)  # one retried has ended twice

        def done() -> bool:
            with self.store.transaction() as connection:
                number = connection.execute(select(func.count()).where(wanted, ended)).scalar_one()
            return int(number) == len(self.errands)

        assert wait_until(done, seconds=seconds), self.unfinished()

    def unfinished(self) -> list[str]:
        """Return the jobs that have not ended, or whose end is not published."""
        rows = {errand: self.store.job(errand.id) for errand in self.errands}
        return [
            f"{errand.kind} {errand.id}: {row and (row.status, row.open, row.parts_in, row.parts)}"
            for errand, row in rows.items()
            if row is None
            or row.status not in ENDS
            or any(end.published_at is None for end in self.store.outbox(errand.id))
        ]

    def check(self, events: list[dict[str, Any]] | None = None) -> None:
        """Assert the invariants: every job's end, the store, the stream, and nothing left open."""
        self.check_stores()
        assert open_rows(self.store) == {}
        self._check_events(events)

    def check_stores(self) -> None:
        """Assert what each job came to, and that nothing else has left the store."""
        self.store.check()
        for errand in self.errands:
            row = self.store.job(errand.id)
            found = {name: getattr(row, name) for name in ("total", "removed", "absent", "failed")}
            left = row.total - row.removed - row.absent - row.failed
            told = {**found, "unprocessed": left}
            about = f"{errand.kind} {errand.id}: {row.status} {row.errors} {told}"
            assert (row.status, row.ends, told) == (errand.status, 1, errand.counts), about
            assert removed_by(self.store, errand.id) == errand.written
        for tenant in self.tenants:
            assert self.store.links(tenant) == self.links.get(tenant, set())
            gone = {name for errand in self.errands for name in errand.gone}
            assert not gone & self.store.tags(tenant).keys()
            assert self.store.workspace_tags(tenant) == self.tags.get(tenant, set())

    def _check_events(self, events: list[dict[str, Any]] | None) -> None:
        rows = self.store.outbox()
        assert [row.position for row in rows] == list(range(1, len(rows) + 1))
        recorded = {json.loads(row.event)["id"]: json.loads(row.event) for row in rows}
        assert len(rows) == len(self.errands)
        assert set(recorded) == {f"{errand.id}.1" for errand in self.errands}
        for errand in self.errands:
            data = recorded[f"{errand.id}.1"]["data"]
            assert (data["status"], data["counts"]) == (errand.status, errand.told)
            assert data.get("remaining", 0) == 0
        if events is not None:
            assert {event["id"]: event for event in events} == recorded

    def _added(self, errand: Errand) -> Errand:
        self.errands.append(errand)
        return errand


def _told() -> ColumnElement[bool]:
    return outbox.c.published_at.is_not(None) & outbox.c.answered_at.is_not(None)
