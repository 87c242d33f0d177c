"""Owners who write to mapped tables step by step beside a job: what becomes of each row."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagsweep.worker.models.jobs import AttachJob, DetachJob, UndoJob
from tests.support import driving, receipts
from tests.support.link_owner import Applied, Owner, Row, apply_next
from tests.support.own_tables import TENANT, OwnTables
from tests.support.worlds import examples

pytestmark = pytest.mark.slow

OBJECTS = range(1, 9)
objects = st.sets(st.sampled_from(OBJECTS), min_size=1)
#: what happens next: a chunk is applied, or an application adds or removes a link
moves = st.lists(
    st.tuples(st.sampled_from(["apply", "add", "remove"]), st.sampled_from(OBJECTS)), max_size=8
)
writes = st.lists(
    st.tuples(st.sampled_from(["add", "remove"]), st.sampled_from(OBJECTS)), max_size=4
)
Moves = list[tuple[str, int]]


def _owner(own: OwnTables, first: Iterable[int], most: int) -> Owner:
    driving.chunk_size(most)
    owner = Owner(own, f"tag {uuid4()}")
    for number in sorted(first):
        owner.add(number)
    return owner


def _job(kind: type[Any], owner: Owner, lists: set[int] | str) -> Any:
    things = lists if isinstance(lists, str) else sorted(lists)
    body = {"tenant": TENANT, "names": [owner.tag_name], "resources": {"things": things}}
    return kind.parse(body)


def _undo(job_id: UUID) -> UUID:
    return driving.opened(UndoJob.parse({"tenant": TENANT, "job": str(job_id)}))


def _write(owner: Owner, moves: Moves) -> None:
    for what, number in moves:
        getattr(owner, what)(number)


def _interleave(
    owner: Owner, job_id: UUID, moves: Moves, check: Callable[[Applied], None]
) -> dict[str, Any]:
    """Make the moves and apply what is left then; check what each chunk did; return the end."""
    for what, number in [*moves, *[("apply", 0)] * (len(OBJECTS) + 1)]:
        if what != "apply":
            getattr(owner, what)(number)
        elif applied := apply_next(owner, job_id):
            check(applied)
    return driving.finish(job_id)


def _told(owner: Owner, job_id: UUID, outcome: str) -> list[int]:
    told = receipts.agrees(owner.own.store, job_id)
    return sorted(int(row["resource"]) for row in told if row["outcome"] == outcome)


def _objects(rows: Iterable[Row]) -> list[int]:
    return sorted(row.object for row in rows)


def _detach(
    owner: Owner, clock: str, lists: set[int] | str, sections: tuple[Moves, Moves, Moves]
) -> tuple[UUID, dict[int, Row]]:
    """Let a detach run beside the owner; check it, and return the rows that it has removed."""
    earlier, waiting, running = sections
    _write(owner, earlier)
    job_id = driving.record(_job(DetachJob, owner, lists))
    accepted = owner.there()
    _write(owner, waiting)
    driving.split(job_id)
    taken: dict[int, Row] = {}

    def check(one: Applied) -> None:
        promised = {
            key: row
            for key, row in one.before.items()
            if one.covers(row) and (clock == "no clock" or key in accepted)
        }
        assert one.gone == promised
        assert one.new == {}
        taken.update(promised)

    done = _interleave(owner, job_id, running, check)
    assert done["counts"]["removed"] == len(taken)
    assert _told(owner, job_id, "removed") == _objects(taken.values())
    kept = {k: r for k, r in owner.added.items() if k not in owner.removed and k not in taken}
    assert owner.there() == kept
    if clock != "no clock":
        selected = set(OBJECTS) if isinstance(lists, str) else lists
        younger = {key for key in owner.added if key not in accepted}
        old = {key for key, row in accepted.items() if row.object in selected}
        assert taken.keys() == old - owner.removed
        assert not younger & taken.keys()
    return job_id, taken


@settings(examples, max_examples=15)
@given(
    first=objects,
    lists=objects | st.just("*"),
    most=st.integers(1, 4),
    sections=st.tuples(writes, writes, moves),
    undoing=moves,
)
def test_a_detach_takes_what_its_clock_says_and_an_undo_brings_just_that_back(  # noqa: PLR0913
    own: OwnTables,
    clock: str,
    *,
    first: set[int],
    lists: set[int] | str,
    most: int,
    sections: tuple[Moves, Moves, Moves],
    undoing: Moves,
) -> None:
    owner = _owner(own, first, most)
    job_id, taken = _detach(owner, clock, lists, sections)
    undo = _undo(job_id)
    restored: dict[int, Row] = {}

    def check(one: Applied) -> None:
        there = {row.object for row in one.before.values()}
        back = {k: r for k, r in taken.items() if one.covers(r) and r.object not in there}
        assert one.new == back
        assert one.gone == {}
        restored.update(back)

    done = _interleave(owner, undo, undoing, check)
    assert done["counts"]["added"] == len(restored)
    assert _told(owner, undo, "added") == _objects(restored.values())
    lost = {key: row for key, row in taken.items() if key not in restored}
    kept = {k: r for k, r in owner.added.items() if k not in owner.removed and k not in lost}
    assert owner.there() == kept
    owner.check_counter()


@settings(examples, max_examples=15)
@given(
    first=objects,
    lists=objects,
    most=st.integers(1, 4),
    sections=st.tuples(writes, moves),
    between=writes,
    undoing=moves,
)
def test_an_attach_leaves_the_owners_rows_and_its_undo_spares_what_came_later(  # noqa: PLR0913
    own: OwnTables,
    clock: str,
    *,
    first: set[int],
    lists: set[int],
    most: int,
    sections: tuple[Moves, Moves],
    between: Moves,
    undoing: Moves,
) -> None:
    owner = _owner(own, first, most)
    job_id = driving.record(_job(AttachJob, owner, lists))
    _write(owner, sections[0])
    driving.split(job_id)
    attached: dict[int, Row] = {}
    ended: dict[int, Row] = {}  # what is there when the last chunk, and the job with it, has ended

    def check(one: Applied) -> None:
        there = {row.object for row in one.before.values()}
        assert {row.object for row in one.new.values()} == {
            number for number in lists - there if one.covers(Row(0, number, ""))
        }
        assert one.gone == {}
        attached.update(one.new)
        ended.clear()
        ended.update(owner.there())

    done = _interleave(owner, job_id, sections[1], check)
    assert done["counts"]["added"] == len(attached)
    assert _told(owner, job_id, "added") == _objects(attached.values())
    _write(owner, between)
    undo = _undo(job_id)

    def check_undo(one: Applied) -> None:
        put_on = {row.object for row in attached.values()}
        promised = {
            key: row
            for key, row in one.before.items()
            if one.covers(row) and row.object in put_on and (clock == "no clock" or key in ended)
        }
        assert one.gone == promised
        assert one.new == {}

    removed = _interleave(owner, undo, undoing, check_undo)["counts"]["removed"]
    assert len(_told(owner, undo, "removed")) == removed
    assert all(owner.there()[k] == r for k, r in owner.added.items() if k in owner.there())
    owner.check_counter()
