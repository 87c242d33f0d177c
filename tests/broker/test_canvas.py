"""What a caller hangs on a job's task runs when the job has ended, with what it came to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from celery import Celery, chain, group
from celery.canvas import xstarmap
from celery.exceptions import TaskRevokedError

from tagsweep.worker import database
from tagsweep.worker.jobs import control, parts, recording
from tagsweep.worker.models.jobs import DetachJob
from tests.support.customers import (
    Customer,
    detach,
    own,
    serving,
)
from tests.support.fixtures import configured
from tests.support.stack import ServerStack, eventually
from tests.support.stores import counts, new_ids

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def customers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The other service's workers that are running already, by stack."""
    found: dict[str, Any] = {"folders": tmp_path_factory}
    yield found
    for name in ("redis", "amqp"):
        if name in found:
            found[name][0].__exit__(None, None, None)


@pytest.fixture
def customer(server_stack: ServerStack, customers: dict[str, Any]) -> Customer:
    """Another service's worker beside each of the stacks."""
    name = server_stack.name
    if name not in customers:
        running = serving(server_stack, customers["folders"].mktemp(name))
        customers[name] = (running, running.__enter__())
    found: Customer = customers[name][1]
    return found


@pytest.fixture
def app(customer: Customer) -> Iterator[Celery]:
    """Another service's Celery app."""
    with customer.stack.caller() as app:
        yield app


@pytest.fixture
def job(customer: Customer, tenant: str) -> dict[str, Any]:
    """A job that removes one link, and finds one absent."""
    ids = new_ids(2)
    customer.stack.store.tag(tenant, "legacy", tables=ids[:1])
    return {"tenant": tenant, "names": ["legacy"], "tables": ids}


@pytest.fixture
def invalid(tenant: str) -> dict[str, Any]:
    """A job that is rejected."""
    return {"tenant": tenant, "names": ["legacy"], "tables": ["no id"]}


DONE = counts(total=2, removed=1, absent=1)


def test_a_callback_gets_the_completion_data(
    customer: Customer, app: Celery, job: dict[str, Any]
) -> None:
    sent = detach(app, job).apply_async(link=own(app, "note"), link_error=own(app, "failed"))
    (note,) = customer.noted(sent.id)
    assert note["args"][0]["job_id"] == sent.id
    assert note["args"][0]["counts"] == DONE
    assert (note["task"], note["root"], note["parent"]) == (
        "tests.support.customer.note",
        sent.id,
        sent.id,
    )
    assert sent.get(timeout=5)["counts"] == DONE


@pytest.mark.slow
def test_a_callback_waits_till_all_is_removed(customer: Customer, app: Celery, tenant: str) -> None:
    ids = new_ids(60_000)
    customer.stack.store.tag(tenant, "legacy", tables=ids)
    body = {"tenant": tenant, "names": ["legacy"], "tables": ids}
    sent = detach(app, body).apply_async(link=own(app, "note"))
    (note,) = customer.noted(sent.id)
    assert note["args"][0]["counts"]["removed"] == 60_000
    assert not customer.stack.store.links(tenant)


def test_a_callback_without_a_queue_goes_to_the_one_that_celery_has(
    customer: Customer, app: Celery, job: dict[str, Any]
) -> None:
    sent = detach(app, job).apply_async(link=own(app, "note", queue=None))
    (note,) = customer.noted(sent.id)
    assert note["queue"] == "celery"


def test_several_callbacks_run_once_each_and_an_immutable_one_gets_nothing(
    customer: Customer, app: Celery, job: dict[str, Any]
) -> None:
    known = str(uuid4())
    links = [
        own(app, "note", "a", immutable=True),
        own(app, "note", "b", task_id=known),
        group(own(app, "note", "c"), own(app, "note", "d")),
    ]
    sent = detach(app, job).apply_async(link=links)
    notes = customer.noted(sent.id, 4)
    data = sent.get(timeout=5)
    assert sorted(len(note["args"]) for note in notes) == [1, 2, 2, 2]
    assert {note["args"][-1]: note["args"][:-1] for note in notes} == {
        "a": [],
        "b": [data],
        "c": [data],
        "d": [data],
    }
    assert known in {note["id"] for note in notes}


@pytest.mark.parametrize("end", ["rejected", "set aside"])
def test_an_errback_gets_the_task_s_id_and_no_callback_runs(
    customer: Customer, app: Celery, invalid: dict[str, Any], end: str
) -> None:
    task_id = str(uuid4()) if end == "rejected" else f"no-uuid-{uuid4()}"
    errbacks = [own(app, "failed"), own(app, "failed")]
    sent = detach(app, invalid).apply_async(
        task_id=task_id, link=own(app, "note"), link_error=errbacks
    )
    with pytest.raises(Exception, match="UUID"):
        sent.get(timeout=10)
    notes = customer.noted(task_id, 2)
    assert [(note["task"], note["args"]) for note in notes] == [
        ("tests.support.customer.failed", [task_id]),
        ("tests.support.customer.failed", [task_id]),
    ]


def test_an_errback_runs_for_a_message_under_another_job_s_id(
    customer: Customer, app: Celery, job: dict[str, Any]
) -> None:
    sent = detach(app, job).apply_async()
    sent.get(timeout=10)
    detach(app, {**job, "names": ["other"]}).apply_async(
        task_id=sent.id, link=own(app, "note"), link_error=own(app, "failed")
    )
    (note,) = customer.noted(sent.id)
    assert (note["task"], note["args"]) == ("tests.support.customer.failed", [sent.id])


def test_a_chain_goes_on_with_the_data_wherever_our_task_stands(
    customer: Customer, app: Celery, job: dict[str, Any], tenant: str
) -> None:
    (table,) = new_ids(1)
    customer.stack.store.tag(tenant, "legacy", tables=[table])
    steps = chain(
        detach(app, job),
        own(app, "to_job", tenant, table),
        app.signature("tags.detach", queue="tagsweep"),
        own(app, "note"),
    )
    sent: Any = steps.apply_async()
    last = sent.get(timeout=20)
    assert last["counts"] == counts(total=1, removed=1)
    assert sent.parent.get(timeout=5) == last
    first = sent.parent.parent.parent
    assert first.get(timeout=5)["counts"] == DONE
    notes = customer.noted(first.id, 2)
    assert [note["parent"] for note in notes] == [first.id, sent.parent.id]


def test_a_failure_fails_the_later_results_of_a_chain(
    customer: Customer, app: Celery, invalid: dict[str, Any]
) -> None:
    steps = chain(detach(app, invalid), own(app, "note"), group(own(app, "note"), own(app, "note")))
    sent: Any = steps.apply_async(link_error=own(app, "failed"))
    for result in [*sent.results, sent.parent]:
        with pytest.raises(Exception, match="Must be a valid UUID"):
            result.get(timeout=10)
    (note,) = customer.noted(sent.parent.parent.id)
    assert note["task"] == "tests.support.customer.failed"


@pytest.mark.slow
def test_a_group_has_each_of_its_results(app: Celery, job: dict[str, Any]) -> None:
    parts = [{**job, "tables": [table]} for table in job["tables"]]
    sent = group(detach(app, part) for part in parts).apply_async()
    assert [data["counts"]["removed"] for data in sent.get(timeout=10)] == [1, 0]


@pytest.mark.slow
def test_a_retry_calls_nothing_again(customer: Customer, app: Celery, tenant: str) -> None:
    """The workspace is not known at first, so that the job is partial: a result all the same."""
    store = customer.stack.store
    body = {"tenant": tenant, "workspaces": ["w-1"], "tags": [{"key": "env"}]}
    delete = app.signature("tags.delete", args=(body,), queue="tagsweep")
    sent = delete.apply_async(link=own(app, "note"))
    (note,) = customer.noted(sent.id)
    assert note["args"][0]["status"] == "partial"
    store.workspace(tenant, "w-1", {"env": "dev"}, {})
    with configured(**customer.stack.settings), database.transaction() as connection:
        control.retry(connection, UUID(sent.id))
    eventually(lambda: len([row for row in store.outbox(sent.id) if row.answered_at]) == 2)
    own(app, "note", "later").delay().get(timeout=10)
    assert len(customer.notes(sent.id)) == 1


def test_the_same_message_again_calls_nothing_again_and_another_link_once(
    customer: Customer, app: Celery, job: dict[str, Any]
) -> None:
    task_id = str(uuid4())
    for _ in range(2):
        detach(app, job).apply_async(task_id=task_id, link=own(app, "note")).get(timeout=10)
    detach(app, job).apply_async(task_id=task_id, link=own(app, "note", "other"))
    notes = customer.noted(task_id, 2)
    assert [note["args"][1:] for note in notes] == [[], ["other"]]


def test_a_cancelled_job_calls_the_errback(customer: Customer, app: Celery, tenant: str) -> None:
    body = {"tenant": tenant, "names": ["legacy"], "tables": new_ids(3)}
    customer.stack.store.tag(tenant, "legacy", tables=body["tables"])
    with configured(**customer.stack.settings), database.transaction() as connection:
        recorded = DetachJob.parse(body)
        task_id = uuid4()
        recording.record_with_lists(connection, task_id, recorded, [parts.lists_of(recorded)])
        control.pause(connection, task_id)
    sent = detach(app, body).apply_async(
        task_id=str(task_id), link=own(app, "note"), link_error=own(app, "failed")
    )
    eventually(lambda: customer.stack.store.job(task_id).open)
    app.send_task("tags.cancel", [sent.id], queue="tagsweep")
    (note,) = customer.noted(sent.id)
    assert (note["task"], note["args"]) == ("tests.support.customer.failed", [sent.id])


def _ours(customer: Customer) -> list[str]:
    """Return the names of our workers: others give an answer themselves when they are asked."""
    return [f"{worker.folder.name}@test" for worker in customer.stack.workers]


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"expires": -1}, {"expires": 0.5, "countdown": 1}])
def test_get_raises_for_what_has_expired_before_it_began(
    customer: Customer, app: Celery, job: dict[str, Any], options: dict[str, float]
) -> None:
    sent: Any = chain(detach(app, job, **options), own(app, "note")).apply_async()
    for result in (sent.parent, sent):
        with pytest.raises(TaskRevokedError, match="expired"):
            result.get(timeout=10)
    assert sent.parent.state == "REVOKED"
    assert len(customer.stack.store.links(job["tenant"])) == 1


def test_get_raises_for_what_was_revoked_before_it_began(
    customer: Customer, app: Celery, job: dict[str, Any]
) -> None:
    task_id = str(uuid4())
    app.control.revoke(task_id, terminate=True, reply=True, destination=_ours(customer))
    sent = detach(app, job).apply_async(task_id=task_id)
    with pytest.raises(TaskRevokedError, match="revoked"):
        sent.get(timeout=10)
    assert customer.stack.store.job(task_id) is None


@pytest.mark.slow
def test_revoking_a_recorded_job_changes_nothing(
    customer: Customer, app: Celery, job: dict[str, Any]
) -> None:
    with configured(**customer.stack.settings), database.transaction() as connection:
        recorded = DetachJob.parse(job)
        task_id = uuid4()
        recording.record_with_lists(connection, task_id, recorded, [parts.lists_of(recorded)])
        control.pause(connection, task_id)
    sent = detach(app, job).apply_async(task_id=str(task_id))
    eventually(lambda: customer.stack.store.job(task_id).open)
    app.control.revoke(sent.id, terminate=True, reply=True, destination=_ours(customer))
    with configured(**customer.stack.settings), database.transaction() as connection:
        control.resume(connection, task_id)
    assert sent.get(timeout=10)["counts"] == DONE


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"shadow": "our own name"},
        {"ignore_result": True},
        {"time_limit": 1, "soft_time_limit": 1},
        {"priority": 9},
        {"headers": {"x-tenant": "acme", "revoked": "no"}},
        {"countdown": 1},
        {"eta": datetime.now(UTC) - timedelta(days=1)},
        {"expires": 60},
        {"compression": "gzip"},
        {"retry": True, "retry_policy": {"max_retries": 2}},
        {"task_id": uuid4().hex.upper()},
        {"stamped_headers": ["team"], "team": "a"},
    ],
    ids=lambda options: next(iter(options)),
)
def test_whatever_callers_set_habitually_the_job_is_done(
    customer: Customer, app: Celery, job: dict[str, Any], options: dict[str, Any]
) -> None:
    sent = detach(app, job).apply_async(link=own(app, "note"), **options)
    (note,) = customer.noted(sent.id)
    assert note["args"][0]["counts"] == DONE
    if not options.get("ignore_result"):
        assert sent.get(timeout=10)["counts"] == DONE


@pytest.mark.parametrize("eta", ["0001-01-01T00:00:00+14:00", "no time"])
def test_a_time_that_is_none_is_told(
    customer: Customer, app: Celery, job: dict[str, Any], eta: str
) -> None:
    sent = detach(app, job).apply_async(headers={"eta": eta}, link_error=own(app, "failed"))
    with pytest.raises(Exception, match="cannot be read"):
        sent.get(timeout=10)
    assert customer.noted(sent.id)[0]["task"] == "tests.support.customer.failed"


def test_a_map_over_our_task_is_refused_by_name(
    customer: Customer, app: Celery, job: dict[str, Any]
) -> None:
    sent = xstarmap(detach(app, job), [[job]], app=app).apply_async(queue="tagsweep")
    with pytest.raises(Exception, match="send each job as a task of a group"):
        sent.get(timeout=10)
    assert len(customer.stack.store.links(job["tenant"])) == 1


def test_what_is_no_signature_is_refused_before_anything_is_removed(
    customer: Customer, app: Celery, job: dict[str, Any]
) -> None:
    nonsense: Any = ["no signature"]
    sent = app.send_task("tags.detach", [job], queue="tagsweep", link=nonsense)
    with pytest.raises(Exception, match="is not in Celery's format"):
        sent.get(timeout=10)
    assert len(customer.stack.store.links(job["tenant"])) == 1
