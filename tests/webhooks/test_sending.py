"""Sending: each event arrives once its receiver is well, signed, whoever else fails."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from tagsweep.worker import database
from tagsweep.worker.models.tables import ago, webhook
from tagsweep.worker.webhooks import fanout, operations
from tests.support import receivers
from tests.support.receivers import Receiver, Trick
from tests.support.stack import eventually
from tests.webhooks.conftest import actor, end_job, log, make, sending, settled

# Celery's result backend stores results in a way that redis-py calls old
pytestmark = [
    pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning"),
    pytest.mark.usefixtures("hooks"),
]


@pytest.mark.slow
def test_what_ends_is_sent_signed_and_logged(receiver: Receiver, tenant: str) -> None:
    webhook_id = make(receiver, tenant, "/a")
    before = end_job("another")
    event_id = end_job(tenant)
    with sending():
        eventually(lambda: receiver.ids("/a"))
        ended = settled(tenant, webhook_id)
    assert receiver.ids("/a") == [event_id]
    assert before not in ended
    assert receiver.forged == []
    (attempt,) = ended[event_id]["attempts"]
    assert (attempt["status"], attempt["reason"]) == (204, None)
    (_, headers) = receiver.requests[0]
    assert headers["host"] == f"127.0.0.1:{receiver.port}"
    assert headers["content-type"] == "application/json"


@pytest.mark.slow
def test_only_the_kinds_and_statuses_that_it_is_for_are_sent(
    receiver: Receiver, tenant: str
) -> None:
    make(receiver, tenant, "/all")
    make(receiver, tenant, "/failed", statuses=["failed"])
    make(receiver, tenant, "/detach", kinds=["detach"], statuses=["succeeded", "partial"])
    make(receiver, tenant, "/delete", kinds=["delete", "undo"])
    event_id = end_job(tenant)
    with sending():
        eventually(lambda: len(receiver.arrived) == 2)
        eventually(lambda: not fanout.run())
    assert {(path, id_) for path, id_, _ in receiver.arrived} == {
        ("/all", event_id),
        ("/detach", event_id),
    }


def _wrong(name: str) -> int | Trick:
    tricks: dict[str, Trick] = {
        "rubbish": receivers.rubbish,
        "silent": lambda _: time.sleep(3),
        "trickling": receivers.trickling,
        "closed": lambda line: line.close(),
    }
    return tricks[name] if name in tricks else int(name)


@pytest.mark.slow
def test_a_receiver_that_is_fine_is_never_late_for_those_that_are_not(
    receiver: Receiver, tenant: str
) -> None:
    wrong = ("500", "301", "429", "rubbish", "silent", "trickling", "closed")
    bad = {name: make(receiver, tenant, f"/{name}") for name in wrong}
    for name in wrong:
        receiver.answers[f"/{name}"] = _wrong(name)
    fine = make(receiver, tenant, "/fine")
    with sending():
        ids, waits = [], []
        for _ in range(10):
            ids.append(end_job(tenant))
            began = time.monotonic()
            eventually(lambda: receiver.ids("/fine")[-1:] == ids[-1:])
            waits.append(time.monotonic() - began)
        for name, webhook_id in bad.items():
            eventually(lambda: any(row["attempts"] for row in log(tenant, webhook_id).values()))  # noqa: B023  # called here
            attempts = [one for row in log(tenant, webhook_id).values() for one in row["attempts"]]
            assert all(one["reason"] for one in attempts), name
        assert receiver.ids("/elsewhere") == []
        # as long as the silent one keeps a connection, which is far longer than any of these waits
        assert sorted(waits)[5] < 1
        receiver.answers.clear()
        for webhook_id in (*bad.values(), fine):
            assert len(settled(tenant, webhook_id)) == 10
    for name in ("fine", *wrong):
        assert set(receiver.ids(f"/{name}")) == set(ids), name
    assert sorted(receiver.ids("/fine")) == sorted(ids)
    assert receiver.forged == []


@pytest.mark.slow
def test_what_a_receiver_missed_while_it_was_down_arrives_when_it_is_back(tenant: str) -> None:
    down = Receiver()
    down.close()
    webhook_id = make(down, tenant, "/a")
    ids = [end_job(tenant) for _ in range(20)]
    with sending():
        eventually(lambda: operations.show(tenant, webhook_id)["failing_since"])
        tried = [row for row in log(tenant, webhook_id).values() if row["attempts"]]
        assert len(tried) < 20, "while it fails, one goes and the rest wait"
        back = Receiver(port=down.port)
        back.secrets = down.secrets
        try:
            settled(tenant, webhook_id)
        finally:
            back.close()
    assert set(back.ids("/a")) == set(ids)
    assert back.forged == []
    shown = operations.show(tenant, webhook_id)
    assert (shown["failing_since"], shown["waiting"]) == (None, 0)


@pytest.mark.slow
def test_410_switches_a_webhook_off_and_what_ends_then_is_not_sent(
    receiver: Receiver, tenant: str
) -> None:
    webhook_id = make(receiver, tenant, "/a")
    receiver.answers["/a"] = 410
    first = end_job(tenant)
    with sending():
        eventually(lambda: not operations.show(tenant, webhook_id)["enabled"])
        receiver.answers["/a"] = 204
        missed = end_job(tenant)
        make(receiver, tenant, "/b")
        end_job(tenant)
        eventually(lambda: receiver.ids("/b"))
        assert set(log(tenant, webhook_id)) == {first}
        assert log(tenant, webhook_id)[first]["state"] == "failed"
        assert "410" in operations.show(tenant, webhook_id)["off_reason"]
        operations.change(actor(tenant), webhook_id, {"enabled": True})
        last = end_job(tenant)
        eventually(lambda: receiver.ids("/a") == [last])
        assert missed not in receiver.ids("/a")
        since = datetime.now(UTC) - timedelta(hours=1)
        assert operations.redeliver_since(actor(tenant), webhook_id, since) == 4
        eventually(lambda: {first, missed, last} <= set(receiver.ids("/a")))


@pytest.mark.slow
def test_a_webhook_that_has_failed_for_five_days_is_switched_off(
    receiver: Receiver, tenant: str
) -> None:
    webhook_id = make(receiver, tenant, "/a")
    receiver.answers["/a"] = 503
    end_job(tenant)
    with sending():
        eventually(lambda: operations.show(tenant, webhook_id)["failing_since"])
        assert operations.show(tenant, webhook_id)["enabled"]
        with database.transaction() as connection:
            connection.execute(update(webhook).values(failing_since=ago(5 * 86_400 + 1)))
        eventually(lambda: not operations.show(tenant, webhook_id)["enabled"])
    assert "5 days" in operations.show(tenant, webhook_id)["off_reason"]


@pytest.mark.slow
def test_an_event_that_the_receiver_never_takes_is_given_up_and_stops_no_other(
    receiver: Receiver, tenant: str
) -> None:
    webhook_id = make(receiver, tenant, "/a")
    poison = end_job(tenant)
    taken = receiver.take

    def take(path: str, headers: dict[str, str], body: bytes) -> int | Trick:
        return 422 if headers["webhook-id"] == poison else taken(path, headers, body)

    receiver.take = take  # type: ignore[method-assign]  # of this receiver alone
    with sending():
        eventually(lambda: log(tenant, webhook_id).get(poison, {}).get("attempts"))
        ids = [end_job(tenant) for _ in range(10)]
        eventually(lambda: set(receiver.ids("/a")) == set(ids))
        eventually(lambda: log(tenant, webhook_id)[poison]["state"] == "failed")
    attempts = log(tenant, webhook_id)[poison]["attempts"]
    assert len(attempts) == 12
    assert operations.show(tenant, webhook_id)["enabled"]


@pytest.mark.slow
def test_for_a_day_after_a_rotation_the_old_secret_signs_too(
    receiver: Receiver, tenant: str
) -> None:
    webhook_id = make(receiver, tenant, "/a")
    (old,) = receiver.secrets["/a"]
    new = operations.rotate(actor(tenant), webhook_id, {})["secret"]
    assert new != old
    receiver.secrets["/a"] = [old, new]
    with sending():
        end_job(tenant)
        eventually(lambda: len(receiver.ids("/a")) == 1)
        assert receiver.forged == []
        with database.transaction() as connection:
            connection.execute(update(webhook).values(previous_until=ago(1)))
        receiver.secrets["/a"] = [old]
        end_job(tenant)
        eventually(lambda: len(receiver.ids("/a")) == 2)
        assert len(receiver.forged) == 1
        receiver.secrets["/a"] = [new]
        end_job(tenant)
        eventually(lambda: len(receiver.ids("/a")) == 3)
    assert len(receiver.forged) == 1


@pytest.mark.slow
def test_an_answer_that_does_not_end_is_left_after_its_first_kilobyte(
    receiver: Receiver, tenant: str
) -> None:
    webhook_id = make(receiver, tenant, "/a")
    receiver.answers["/a"] = receivers.endless
    event_id = end_job(tenant)
    with sending():
        (attempt,) = settled(tenant, webhook_id)[event_id]["attempts"]
    assert attempt["status"] == 200


@pytest.mark.slow
def test_a_test_event_is_sent_without_a_job(receiver: Receiver, tenant: str) -> None:
    webhook_id = make(receiver, tenant, "/a", statuses=["failed"])
    sent = operations.test(actor(tenant), webhook_id)
    with sending():
        eventually(lambda: receiver.ids("/a") == [sent["event_id"]])
    assert receiver.forged == []


@pytest.mark.slow
def test_one_delivery_is_sent_again_under_the_same_id(receiver: Receiver, tenant: str) -> None:
    webhook_id = make(receiver, tenant, "/a")
    event_id = end_job(tenant)
    with sending():
        settled_once = eventually(lambda: receiver.ids("/a") == [event_id])
        settled(tenant, webhook_id)
        operations.redeliver(actor(tenant), webhook_id, event_id)
        eventually(lambda: receiver.ids("/a") == [event_id] * 2)
        rows = settled(tenant, webhook_id)
    assert settled_once
    assert len(rows[event_id]["attempts"]) == 2


@contextmanager
def _other_key(patch: pytest.MonkeyPatch) -> Iterator[None]:
    from tagsweep.worker import settings

    with patch.context() as inner:
        inner.setenv("TAGSWEEP_SECRET_KEY", "another-key-" + "0" * 32)
        settings.load.cache_clear()
        yield
    settings.load.cache_clear()


@pytest.mark.slow
def test_a_sender_that_cannot_open_the_secret_leaves_the_delivery_to_one_that_can(
    receiver: Receiver, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook_id = make(receiver, tenant, "/a")
    event_id = end_job(tenant)
    with _other_key(monkeypatch), sending():
        eventually(lambda: log(tenant, webhook_id))
        operations.test(actor(tenant), webhook_id)
    assert receiver.requests == []
    assert [row["attempts"] for row in log(tenant, webhook_id).values()] == [[], []]
    with sending():
        eventually(lambda: event_id in receiver.ids("/a"))
