"""Two applications that write to mapped tables all the while that a job runs: what becomes of rows.

The model knows of each row only what its writer saw: whether it was committed before the job was
recorded, begun after that, or neither, in which case either may become of it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any
from uuid import UUID

import pytest

from tagsweep.worker.models.jobs import AttachJob, DetachJob, MergeJob, UndoJob
from tests.support import driving, receipts
from tests.support.link_owner import Owner, Row
from tests.support.own_tables import TENANT, OwnTables

pytestmark = pytest.mark.slow

#: those that jobs are about, and as many that no list names
LISTED, OTHERS = range(60), range(60, 120)
#: writes that each application has made at least when a step of a job begins, and before it ends
FEW = 40


class Application:
    """A thread that adds and removes links; it notes which it began after a job's acceptance."""

    def __init__(self, own: OwnTables, seed: int, accepted: Event, tag: str) -> None:
        self.owner = Owner(own, tag)
        self.younger: set[int] = set()  #: keys of rows that were begun after the acceptance
        self.writes = 0
        self._draw = random.Random(seed)  # noqa: S311  # no secret
        self._accepted = accepted
        self._stopped = Event()
        self._enough = Event()

    def run(self) -> None:
        """Write until it is stopped."""
        while not self._stopped.is_set():
            number = self._draw.choice([*LISTED, *OTHERS])
            later, known = self._accepted.is_set(), set(self.owner.added)
            if self._draw.random() < 0.5:
                self.owner.add(number)
            else:
                self.owner.remove(number)
            if later:
                self.younger |= self.owner.added.keys() - known
            self.writes += 1
            if self.writes % FEW == 0:
                self._enough.set()

    def wait(self) -> None:
        """Return once it has made some more writes."""
        self._enough.clear()
        assert self._enough.wait(60)

    def stop(self) -> None:
        """Let it end after the write that it is about."""
        self._stopped.set()


class Writing:
    """Two applications at work on the same links, and what was there before them."""

    def __init__(self, own: OwnTables, *tags: str) -> None:
        self.accepted = Event()
        self.first = Owner(own, "old")
        self.first.added |= self.first.there()
        self.applications = [
            Application(own, seed, self.accepted, tag)
            for seed, tag in enumerate(tags or ("old", "old"), 1)
        ]

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let both write during the block, and for some while before and after its steps."""
        with ThreadPoolExecutor(len(self.applications)) as pool:
            threads = [pool.submit(one.run) for one in self.applications]
            try:
                self.wait()
                yield
                self.wait()
            finally:
                for one in self.applications:
                    one.stop()
            for thread in threads:
                thread.result()

    def wait(self) -> None:
        """Return once each has made some more writes."""
        for one in self.applications:
            one.wait()

    @property
    def rows(self) -> dict[int, Row]:
        """Every row that an owner has added, as it was, by key."""
        rows = dict(self.first.added)
        for one in self.applications:
            rows |= one.owner.added
        return rows

    @property
    def removed(self) -> set[int]:
        """The keys of all rows that owners have removed."""
        return set[int]().union(*(one.owner.removed for one in self.applications))

    @property
    def younger(self) -> set[int]:
        """The keys of the rows that were begun after the job was accepted."""
        return set[int]().union(*(one.younger for one in self.applications))


def _filled(own: OwnTables, *tags: str) -> Writing:
    """Return two applications, where every other object carries the tag ``old``."""
    driving.chunk_size(7)
    first = Owner(own, "old")
    for number in [*LISTED[::2], *OTHERS[::2]]:
        first.add(number)
    return Writing(own, *tags)


def _ran(writing: Writing, record: Callable[[], UUID]) -> tuple[UUID, dict[str, Any]]:
    """Record a job, split it and finish it, with writes of both applications at every step."""
    with writing.running():
        job_id = record()
        writing.accepted.set()
        writing.wait()
        driving.split(job_id)
        writing.wait()
        done = driving.finish(job_id)
    assert done["status"] == "succeeded"
    writing.first.check_counter()
    return job_id, done


def _job(kind: type[Any], lists: list[int] | str) -> Callable[[], UUID]:
    body = {"tenant": TENANT, "names": ["old"], "resources": {"things": lists}}
    return lambda: driving.record(kind.parse(body))


def _undo(job_id: UUID) -> Callable[[], UUID]:
    return lambda: driving.record(UndoJob.parse({"tenant": TENANT, "job": str(job_id)}))


def _told(own: OwnTables, job_id: UUID, outcome: str) -> list[int]:
    told = receipts.agrees(own.store, job_id)
    return sorted(int(row["resource"]) for row in told if row["outcome"] == outcome)


def _objects(rows: dict[int, Row]) -> list[int]:
    return sorted(row.object for row in rows.values())


def _detached(own: OwnTables, clock: str, lists: list[int] | str) -> tuple[UUID, dict[int, Row]]:
    """Detach beside two applications; return the job, and the rows that it has removed."""
    writing = _filled(own)
    job_id, done = _ran(writing, _job(DetachJob, lists))
    there, rows = writing.first.there(), writing.rows
    assert there == {key: row for key, row in rows.items() if key in there}
    taken = {k: r for k, r in rows.items() if k not in there and k not in writing.removed}
    assert _told(own, job_id, "removed") == _objects(taken)
    assert done["counts"]["removed"] == len(taken)
    selected = {*LISTED, *OTHERS} if lists == "*" else {*LISTED}
    assert set(_objects(taken)) <= selected
    old = {key for key, row in writing.first.added.items() if row.object in selected}
    assert not old & there.keys()
    if clock != "no clock":
        assert not writing.younger & taken.keys()
    return job_id, taken


@pytest.mark.parametrize("lists", [[*LISTED], "*"], ids=["listed", "every"])
def test_what_owners_write_while_a_detach_runs_stays_as_its_clock_says(
    own: OwnTables, clock: str, lists: list[int] | str
) -> None:
    _, taken = _detached(own, clock, lists)
    assert taken


def test_an_undo_brings_back_each_row_whose_place_no_owner_has_taken(
    own: OwnTables, clock: str
) -> None:
    job_id, taken = _detached(own, clock, [*LISTED])
    writing = Writing(own)
    undo, done = _ran(writing, _undo(job_id))
    there = writing.first.there()
    assert there == {k: r for k, r in (writing.rows | taken).items() if k in there}
    back = {k: r for k, r in taken.items() if k in there or k in writing.removed}
    assert _told(own, undo, "added") == _objects(back)
    assert done["counts"]["added"] == len(back)
    assert done["counts"]["present"] == len(taken) - len(back)
    assert (there.keys() | writing.removed) >= writing.rows.keys()


def test_an_attach_beside_owners_and_its_undo_change_no_row_of_theirs(
    own: OwnTables, clock: str
) -> None:
    writing = _filled(own)
    job_id, done = _ran(writing, _job(AttachJob, [*LISTED]))
    there, rows = writing.first.there(), writing.rows
    assert (there.keys() | writing.removed) >= rows.keys()
    assert {k: r for k, r in there.items() if k in rows} == {
        k: r for k, r in rows.items() if k in there
    }
    assert done["counts"]["added"] == len((there.keys() | writing.removed) - rows.keys())
    put_on = set(_told(own, job_id, "added"))
    assert put_on >= {row.object for k, row in there.items() if k not in rows}
    later = Writing(own)
    later.accepted.set()  # what is written from here on comes after the attach's end
    undo, undone = _ran(later, _undo(job_id))
    left = later.first.there()
    gone = {k: r for k, r in later.rows.items() if k not in left and k not in later.removed}
    assert _told(own, undo, "removed") == _objects(gone)
    assert undone["counts"]["removed"] == len(gone)
    assert set(_objects(gone)) <= put_on
    if clock != "no clock":
        assert not later.younger & gone.keys()


@pytest.mark.parametrize("most", [1, 7])
def test_a_merge_beside_owners_of_both_tags_loses_no_row_and_doubles_none(
    own: OwnTables, clock: str, most: int
) -> None:
    new = Owner(own, "new")
    writing = _filled(own, "old", "new")
    for number in LISTED[::4]:
        new.add(number)
    driving.chunk_size(most)
    body = {"tenant": TENANT, "names": ["old"], "into": "new", "resources": {"things": "*"}}
    job_id, done = _ran(writing, lambda: driving.record(MergeJob.parse(body)))
    new.check_counter()
    of_old, of_new = (one.owner for one in writing.applications)
    first, there, left = writing.first.added | of_old.added, new.there(), writing.first.there()
    moved = {k: row for k, row in first.items() if k in there or k in of_new.removed}
    assert [
        row.text.replace(f",{new.tag},", f",{writing.first.tag},", 1)
        for row in there.values()
        if row.key in moved
    ] == [first[key].text for key in there if key in moved]
    assert {k: row for k, row in there.items() if k not in moved} == {
        k: row for k, row in (new.added | of_new.added).items() if k in there
    }
    gone = first.keys() - left.keys() - moved.keys() - of_old.removed
    assert (done["counts"]["moved"], done["counts"]["present"]) == (len(moved), len(gone))
    assert _told(own, job_id, "moved") == _objects(moved)
    assert _told(own, job_id, "present") == _objects({key: first[key] for key in gone})
    assert moved
    if clock != "no clock":
        assert not writing.younger & (moved.keys() | gone)
