"""The model of the chaos suite, for one case among many on the same store."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from sqlalchemy import select

from tagsweep.worker.models.records import ENDS
from tagsweep.worker.models.tables import job as jobs
from tagsweep.worker.models.views import words
from tests.chaos.model import Errand, World
from tests.chaos.stored import open_rows, removed_by
from tests.servers.processes import wait_until
from tests.support.stores import counts, new_tenant


@dataclass(frozen=True, eq=False)
class Undo(Errand):
    """A job that puts back what another took off."""

    @property
    def told(self) -> dict[str, int]:
        """The counts, under the names that an undo of a detach has for them."""
        own = dict(zip(("removed", "absent"), words("attach"), strict=True))
        return {own.get(name, name): number for name, number in self.counts.items()}


@dataclass
class Case(World):
    """What is sent in one case, and must come of it; other cases had jobs in the store before."""

    #: streams whose producer was told that the broker does not take them: nothing is done
    abandoned: list[str] = field(default_factory=list)
    #: tenants for whom nothing is to be done
    idle: list[str] = field(default_factory=list)
    #: whether items may rightly fail at first
    fails_items: bool = False
    #: whether a session may be lost at its commit
    ends_sessions: bool = False

    def tenant(self) -> str:
        """Return a new tenant, of which it is known what it has."""
        self.tenants.append(new_tenant())
        return self.tenants[-1]

    def stream(self, tenant: str, size: int) -> Errand:
        """Prepare a detach of one tag, which half of the resources carry."""
        ids, job_id = [self.id() for _ in range(size)], self.id()
        name = f"streamed-{job_id}"
        self.store.tag(tenant, name, tables=ids[::2])
        removed = len(ids[::2])
        told = counts(total=size, removed=removed, absent=size - removed)
        return self._added(
            Errand(job_id, "detach", {"tenant": tenant, "names": [name], "tables": ids}, told)
        )

    def undo(self, of: Errand) -> Errand:
        """Prepare the undo of a detach that has ended."""
        tenant, removed = of.body["tenant"], of.counts["removed"]
        tables = of.body["tables"]
        second, _, first = of.body["names"]
        back = {(first, "tables", one) for one in tables[::2]}
        back |= {(second, "tables", one) for one in tables[::4]}
        self.links[tenant] |= back
        body = {"tenant": tenant, "job": of.id}
        return self._added(Undo(self.id(), "undo", body, counts(total=removed, removed=removed)))

    def not_done(self, errand: Errand) -> None:
        """Expect nothing of a detach, for its sender was told that nothing was done."""
        self.errands.remove(errand)
        self.idle.append(errand.body["tenant"])
        tables = errand.body["tables"]
        second, _, first = errand.body["names"]
        self.links[errand.body["tenant"]] |= {
            *((first, "tables", one) for one in tables[::2]),
            *((second, "tables", one) for one in tables[::4]),
        }

    def known_as(self, errand: Errand, job_id: str) -> Errand:
        """Note under which id a job was recorded, where its sender does not choose it."""
        known = replace(errand, id=job_id)
        self.errands[self.errands.index(errand)] = known
        return known

    def wait_for(self, errands: list[Errand], seconds: float) -> None:
        """Return once these have ended."""
        ended = lambda: all(  # noqa: E731
            (row := self.store.job(one.id)) and row.status in ENDS for one in errands
        )
        assert wait_until(ended, seconds=seconds), self.unfinished()

    def wait_for_abandoned(self, seconds: float) -> None:
        """Return once no stream waits for a producer that has begun anew."""
        query = select(jobs.c.id).where(
            jobs.c.id.in_([UUID(one) for one in self.abandoned]), jobs.c.status.not_in(ENDS)
        )

        def over() -> bool:
            with self.store.transaction() as connection:
                return not connection.execute(query).all()

        assert not self.abandoned or wait_until(over, seconds=seconds), self.abandoned

    def check(self, events: list[dict[str, Any]] | None = None) -> None:
        """Assert the invariants: ends, counts, what is left in the store, events, nothing open."""
        self.check_stores()
        left = open_rows(self.store)
        assert left == {}, left
        self._check_events(events)

    def check_stores(self) -> None:
        """Assert what each job came to, and that nothing else has left the store."""
        wrong = [told for errand in self.errands if (told := self._wrong(errand))]
        assert not wrong, wrong
        for job_id in self.abandoned:
            row = self.store.job(job_id)
            assert row is None or (row.total, row.ends) == (0, 1), (row.status, row.total)
        for tenant in self.tenants:
            found, wanted = self.store.links(tenant), self.links.get(tenant, set())
            assert found == wanted, (len(found - wanted), len(wanted - found))
            assert self.store.workspace_tags(tenant) == self.tags.get(tenant, set())

    def _wrong(self, errand: Errand) -> str:
        """Return what is wrong with a job; nothing where it is as it must be."""
        row = self.store.job(errand.id)
        found = {name: getattr(row, name) for name in ("total", "removed", "absent", "failed")}
        found["unprocessed"] = row.total - row.removed - row.absent - row.failed
        ends = (1, 2) if self.fails_items else (1,)
        right = found == errand.counts and row.ends in ends and self._is_due(errand, row)
        if right and removed_by(self.store, errand.id) == errand.written:
            return ""
        return f"{errand.kind} {errand.id}: {row.status}, ends {row.ends}, {found}, {row.errors}"

    def _is_due(self, errand: Errand, row: Any) -> bool:
        # what was refused of the report alone is told so, and there is nothing to try again
        unreported = self.fails_items and row.status == "partial" and bool(row.errors)
        return row.status == errand.status or unreported

    def _check_events(self, events: list[dict[str, Any]] | None) -> None:
        rows = self.store.outbox()
        # a promoted standby leaves a gap behind those that may have been lost
        assert len({row.position for row in rows} - {None}) == len(rows)
        ends = {errand.id: self.store.job(errand.id).ends for errand in self.errands}
        recorded = {
            json.loads(row.event)["id"]: json.loads(row.event)
            for row in rows
            if str(row.job_id) in ends
        }
        wanted = {f"{name}.{end}" for name, number in ends.items() for end in range(1, number + 1)}
        assert set(recorded) == wanted
        assert not [row.event for row in rows if row.tenant in self.idle]
        for errand in self.errands:
            data = recorded[f"{errand.id}.{ends[errand.id]}"]["data"]
            assert data["counts"] == errand.told
        if events is not None:
            published = {event["id"]: event for event in events if event["subject"] in ends}
            wrong = {one: (published.get(one), told) for one, told in recorded.items()}
            wrong = {one: pair for one, pair in wrong.items() if pair[0] != pair[1]}
            assert published == recorded, wrong
