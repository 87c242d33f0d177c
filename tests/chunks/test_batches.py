"""Small jobs in one transaction come to what they come to one by one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from tagsweep.worker import database
from tagsweep.worker.broker.delivery import Delivery
from tagsweep.worker.chunks import batch_changes, batches, plain
from tagsweep.worker.chunks.batch_changes import Applied
from tagsweep.worker.chunks.batch_matching import Cut
from tagsweep.worker.chunks.batches import Done
from tagsweep.worker.jobs.batch_ends import NewJob
from tagsweep.worker.models.jobs import KINDS, Job, SetJob, UndoJob
from tagsweep.worker.tasks import accept, batch
from tests.support import driving, outcomes, receipts, worlds
from tests.support.stores import Store, attached, counts, new_ids

pytestmark = pytest.mark.mapped

#: in which jobs of a batch are done
ORDER = ("detach", "attach", "delete", "set")


def _order(job: Job) -> NewJob:
    return NewJob(uuid4(), job, job.fingerprint())


def _apply(orders: list[NewJob]) -> Done:
    with database.transaction() as connection:
        return batches.apply(connection, orders)


@dataclass
class Case:
    """What two tenants have, and jobs of theirs that wait at the same moment."""

    links: set[tuple[str, str, str]]
    tags: dict[tuple[str, str, bool], str]
    jobs: list[tuple[int, tuple[str, dict[str, Any]]]]
    most: int  #: resources of a chunk
    tenants: list[str] = field(default_factory=list)

    def fill(self, store: Store) -> list[Job]:
        """Put it into the store, for new tenants; return the jobs."""
        self.tenants = []
        for _ in range(2):
            world = worlds.World(self.links, self.tags, "detach", {}, self.most)
            world.fill(store)
            self.tenants.append(world.tenant)
        return [
            KINDS[kind].parse(driving.body({"tenant": self.tenants[at], **body}))
            for at, (kind, body) in self.jobs
        ]


cases = st.builds(
    Case,
    links=worlds.links,
    tags=worlds.workspace_tags,
    jobs=st.lists(st.tuples(st.integers(0, 1), worlds.asked(*ORDER)), min_size=1, max_size=8),
    most=st.sampled_from([3, 1_000, 1_000, 1_000]),
    tenants=st.just([]),
)


@pytest.mark.slow
@settings(worlds.examples, max_examples=40)
@given(case=cases)
def test_a_batch_comes_to_what_its_jobs_come_to_one_by_one(store: Store, case: Case) -> None:
    orders = [_order(job) for job in case.fill(store)]
    together = [order for order in orders if plain.is_plain(order.job, 1_000)]
    ended = _apply(together).ended
    own_way = [order for order in orders if order.job_id not in ended]
    for order in own_way:
        driving.finish(driving.record(order.job, order.job_id, at_once=True))
    found = [outcomes.of(store, order.job_id) for order in orders]
    left = [outcomes.state(store, tenant) for tenant in case.tenants]

    jobs = case.fill(store)
    ids = [uuid4() for _ in jobs]
    places = [at for at, order in enumerate(orders) if order.job_id in ended]
    places.sort(key=lambda at: ORDER.index(jobs[at].kind))
    for at in [*places, *(orders.index(order) for order in own_way)]:
        driving.finish(driving.record(jobs[at], ids[at], at_once=True))
    assert found == [outcomes.of(store, job_id) for job_id in ids]
    assert left == [outcomes.state(store, tenant) for tenant in case.tenants]


def test_what_two_jobs_ask_for_the_first_one_gets(store: Store, tenant: str) -> None:
    ids = new_ids(4)
    store.tag(tenant, "old", tables=ids[:3])
    jobs = [
        driving.detach_job(tenant, ["old"], tables=ids[:2]),
        driving.detach_job(tenant, ["old"], tables=ids),
        driving.attach_job(tenant, ["new"], tables=ids[1:]),
        driving.attach_job(tenant, ["new"], tables=ids),
    ]
    assert _told(jobs) == [
        counts(total=2, removed=2),
        counts(total=4, removed=1, absent=3),
        attached(total=3, added=3),
        attached(total=4, added=1, present=3),
    ]


def _told(jobs: Iterable[Job]) -> list[dict[str, int]]:
    orders = [_order(job) for job in jobs]
    done = _apply(orders)
    return [done.ended[order.job_id].event["data"]["counts"] for order in orders]


ENV, OTHER = {"key": "env", "value": "prod"}, {"key": "env", "value": "x"}


def _set_job(tenant: str, workspaces: list[str], *tags: dict[str, str]) -> Job:
    return SetJob.parse({"tenant": tenant, "workspaces": workspaces, "tags": [*tags]})


def _env(store: Store, tenant: str) -> dict[str, str]:
    return {name: value for name, key, value, _ in store.workspace_tags(tenant) if key == "env"}


def test_sets_come_after_deletes_and_each_is_undone_by_itself(store: Store, tenant: str) -> None:
    store.workspace(tenant, "w-1", {"env": "dev", "team": "a"})
    store.workspace(tenant, "w-2", {"env": "prod", "team": "a"})
    store.workspace(tenant, "w-3")
    orders = [
        _order(_set_job(tenant, ["w-1", "w-2"], ENV, {"key": "team", "value": "b"})),
        _order(_set_job(tenant, ["w-1", "w-3"], ENV)),
        _order(driving.delete_job(tenant, ["w-2", "w-3"], "team")),
    ]
    ended = _apply(orders).ended
    told = [ended[order.job_id].event["data"] for order in orders]
    assert [one["counts"] for one in told[:2]] == [
        {"total": 4, "set": 3, "unchanged": 1, "failed": 0, "unprocessed": 0},
        {"total": 2, "set": 1, "unchanged": 1, "failed": 0, "unprocessed": 0},
    ]
    assert told[0]["tags"] == [
        {"key": "team", "value": "b", "workspaces": 2},
        {"key": "env", "value": "prod", "workspaces": 1},
    ]
    rows = receipts.agrees(store, orders[0].job_id)
    assert {(r["workspace"], r["key"]): (r["outcome"], r["previous"]) for r in rows} == {
        ("w-1", "env"): ("set", "dev"),
        ("w-1", "team"): ("set", "a"),
        ("w-2", "env"): ("unchanged", None),
        ("w-2", "team"): ("set", None),
    }
    undone = [driving.run(UndoJob.parse({"tenant": tenant, "job": one["job_id"]})) for one in told]
    assert [one["counts"].get("set", one["counts"].get("added")) for one in undone] == [3, 1, 1]
    assert store.workspace_tags(tenant) == {
        ("w-1", "env", "dev", False),
        ("w-1", "team", "a", False),
        ("w-2", "env", "prod", False),
        ("w-2", "team", "a", False),
    }


def test_a_set_that_gives_a_key_another_value_waits_for_the_one_before_it(
    store: Store, tenant: str
) -> None:
    store.workspace(tenant, "w-1")
    store.workspace(tenant, "w-2")
    first, second, third = (
        _order(_set_job(tenant, ["w-1"], ENV)),
        _order(_set_job(tenant, ["w-2", "w-1"], OTHER)),
        _order(_set_job(tenant, ["w-2"], ENV)),
    )
    assert _apply([first, second, third]).ended.keys() == {first.job_id, third.job_id}
    assert _env(store, tenant) == {"w-1": "prod", "w-2": "prod"}


def test_a_key_set_while_a_batch_is_under_way_keeps_its_value(
    postgres_store: Store, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("w-1", "w-2", "w-3"):
        postgres_store.workspace(tenant, name, {"env": "dev"} if name != "w-2" else {})
    do = batch_changes.apply

    def late(connection: Connection, jobs: Sequence[Cut]) -> Applied:
        for name in ("w-1", "w-2"):
            postgres_store.workspace(tenant, name, {"env": "later"})
        return do(connection, jobs)

    monkeypatch.setattr(batch_changes, "apply", late)
    order = _order(_set_job(tenant, ["w-1", "w-2", "w-3"], ENV))
    done = _apply([order]).ended[order.job_id]
    assert (done.job.changed, done.job.absent) == (1, 2)
    assert _env(postgres_store, tenant) == {"w-1": "later", "w-2": "later", "w-3": "prod"}


def test_an_id_that_is_taken_leaves_the_batch(store: Store, tenant: str) -> None:
    ids = new_ids(2)
    store.tag(tenant, "old", tables=ids)
    taken = _order(driving.detach_job(tenant, ["old"], tables=ids[:1]))
    _apply([taken])
    store.tag(tenant, "old", tables=ids)
    fresh = _order(driving.detach_job(tenant, ["old"], tables=ids[1:]))
    done = _apply([taken, fresh])
    assert list(done.ended) == [fresh.job_id]
    assert done.known == {taken.job_id}
    assert store.links(tenant) == {("old", "tables", ids[0])}
    assert len(store.outbox()) == 2


@pytest.mark.slow
@settings(worlds.examples, max_examples=25)
@given(case=cases, again=st.booleans())
def test_messages_there_together_come_to_what_they_come_to_one_by_one(
    store: Store, case: Case, *, again: bool
) -> None:
    sent = _messages(store, case)
    repeated = sent[:1] if again else []
    done = batch.do([*sent, *repeated])
    own_way = [one for one in sent if one.task_id not in done]
    for one in [*own_way, *repeated]:
        _do_alone(one)
    found = [outcomes.of(store, UUID(one.task_id)) for one in sent]
    left = [outcomes.state(store, tenant) for tenant in case.tenants]

    alone = _messages(store, case)
    places = [at for at, one in enumerate(sent) if one.task_id in done]
    places.sort(key=lambda at: ORDER.index(_kind(sent[at])))
    for at in [*places, *(sent.index(one) for one in own_way)]:
        _do_alone(alone[at])
    assert found == [outcomes.of(store, UUID(one.task_id)) for one in alone]
    assert left == [outcomes.state(store, tenant) for tenant in case.tenants]


def _messages(store: Store, case: Case) -> list[Delivery]:
    """Put the case into the store, for new tenants; return its jobs as messages, and a bad one."""
    case.fill(store)
    bodies = [
        (kind, driving.body({"tenant": case.tenants[at], **body})) for at, (kind, body) in case.jobs
    ]
    bodies.append(("detach", {"tenant": case.tenants[0], "names": 7}))
    return [_message(kind, body) for kind, body in bodies]


def _message(kind: str, body: dict[str, Any]) -> Delivery:
    own = str(uuid4())
    return Delivery(
        task=f"tags.{kind}",
        task_id=own,
        args=(body,),
        kwargs={},
        redelivered=False,
        reply_to=None,
        correlation_id=own,
    )


def _kind(message: Delivery) -> str:
    return message.task.removeprefix("tags.")


def _do_alone(message: Delivery) -> None:
    """Do it to its end before the next one: a job of several chunks would mix with others."""
    accept.accept(KINDS[_kind(message)], message)
    driving.finish(UUID(message.task_id))
