"""Chords around our tasks: on a result backend that callers and workers share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery, chain, chord, group

from tests.support.customers import (
    Customer,
    detach,
    own,
    serving,
)
from tests.support.stack import ServerStack
from tests.support.stores import counts, new_ids

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def customer(
    redis_stack: ServerStack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Customer]:
    """Another service's worker, with the same Redis for its results."""
    with serving(redis_stack, tmp_path_factory.mktemp("customer")) as customer:
        yield customer


@pytest.fixture
def app(customer: Customer) -> Iterator[Celery]:
    """Another service's Celery app."""
    with customer.stack.caller() as app:
        yield app


@pytest.fixture
def jobs(customer: Customer, tenant: str) -> list[dict[str, Any]]:
    """Two jobs that remove one link each."""
    ids = new_ids(2)
    customer.stack.store.tag(tenant, "legacy", tables=ids)
    return [{"tenant": tenant, "names": ["legacy"], "tables": [one]} for one in ids]


ONE = counts(total=1, removed=1)


def test_a_chord_s_body_gets_the_data_of_all_its_members(
    app: Celery, jobs: list[dict[str, Any]]
) -> None:
    header = [detach(app, jobs[0]), own(app, "note", 7), detach(app, jobs[1])]
    first, second, third = chord(header)(own(app, "note")).get(timeout=20)
    assert (first["counts"], second, third["counts"]) == (ONE, 7, ONE)


def test_a_group_with_a_task_behind_it_in_the_middle_of_a_chain(
    customer: Customer, app: Celery, jobs: list[dict[str, Any]]
) -> None:
    """What is behind our task is a chord, and our tasks are members of it."""
    steps = chain(
        detach(app, jobs[0]),
        group(detach(app, jobs[1], immutable=True), own(app, "note", "with the data")),
        own(app, "note"),
    )
    sent: Any = steps.apply_async()
    of_job, of_task = sent.get(timeout=20)
    assert of_job["counts"] == ONE
    assert of_task["counts"] == ONE
    assert {note["args"][-1] for note in customer.notes() if len(note["args"]) == 2} >= {
        "with the data"
    }


@pytest.mark.parametrize("kind", ["ours", "theirs"])
def test_a_member_that_fails_fails_the_chord(
    customer: Customer, app: Celery, jobs: list[dict[str, Any]], kind: str
) -> None:
    bad = detach(app, {**jobs[0], "tables": ["no id"]}) if kind == "ours" else own(app, "fail")
    body = own(app, "note", task_id=str(uuid4()), link_error=[own(app, "failed")])
    sent = chord([bad, detach(app, jobs[1])])(body)
    with pytest.raises(Exception, match="UUID" if kind == "ours" else "as asked"):
        sent.get(timeout=20)
    (note,) = customer.noted(sent.id)
    assert (note["task"], note["args"]) == ("tests.support.customer.failed", [sent.id])


def test_a_member_that_has_expired_fails_the_chord(app: Celery, jobs: list[dict[str, Any]]) -> None:
    sent = chord([detach(app, jobs[0], expires=-1), detach(app, jobs[1])])(own(app, "note"))
    with pytest.raises(Exception, match="expired"):
        sent.get(timeout=20)


def test_a_chain_whose_first_task_fails_counts_in_its_chord(
    app: Celery, jobs: list[dict[str, Any]]
) -> None:
    bad = detach(app, {**jobs[0], "tables": ["no id"]})
    header = [chain(bad, own(app, "note")), detach(app, jobs[1])]
    with pytest.raises(Exception, match="UUID"):
        chord(header)(own(app, "note")).get(timeout=20)


def test_a_chord_as_a_callback(customer: Customer, app: Celery, jobs: list[dict[str, Any]]) -> None:
    callback = chord([own(app, "note", "a"), own(app, "note", "b")], own(app, "note", "body"))
    sent = detach(app, jobs[0]).apply_async(link=callback)
    notes = customer.noted(sent.id, 3)
    body = next(note for note in notes if note["args"][-1] == "body")
    data = sent.get(timeout=5)
    assert body["args"][0] == [data, data]


def test_on_rpc_a_chord_is_refused_by_name_before_anything_is_removed(
    amqp_stack: ServerStack, redis_url: str, tmp_path: Path, tenant: str
) -> None:
    """The caller's own backend could; ours cannot count its members."""
    ids = new_ids(1)
    amqp_stack.store.tag(tenant, "legacy", tables=ids)
    job = {"tenant": tenant, "names": ["legacy"], "tables": ids}
    app = Celery("other", broker=amqp_stack.broker_url, backend=redis_url)
    failed = own(app, "failed")
    with serving(amqp_stack, tmp_path) as customer:
        sent: Any = chord([detach(app, job)])(own(app, "note").on_error(failed))
        (member,) = sent.parent.results
        (note,) = customer.noted(member.id)
    app.close()
    assert (note["task"], note["args"]) == ("tests.support.customer.failed", [sent.id])
    row = amqp_stack.store.job(member.id)
    assert row.status == "rejected"
    assert "set TAGSWEEP_RESULTS_URL" in row.errors[0]["reason"]
    assert len(amqp_stack.store.links(tenant)) == 1
