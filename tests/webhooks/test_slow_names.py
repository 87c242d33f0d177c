"""A resolver that hangs: nobody but the one who named that host waits for it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import text

from tagsweep.producer import transactional
from tagsweep.producer.cli.backends.store import StoreBackend
from tagsweep.producer.gateway.state import STORE_THREADS, WEBHOOK_THREADS
from tagsweep.worker import database
from tagsweep.worker.broker.delivery import Delivery
from tagsweep.worker.errors import InvalidJob
from tagsweep.worker.models.jobs import DetachJob
from tagsweep.worker.models.parts import Part
from tagsweep.worker.tasks import accept, parts
from tagsweep.worker.webhooks import addresses, operations
from tests.support import driving
from tests.support.fixtures import configured
from tests.support.gateway import Gateway
from tests.support.hooks import SETTINGS
from tests.support.stack import ServerStack, eventually
from tests.support.stores import Store, new_ids
from tests.webhooks.conftest import actor

SLOW = "slow.example.com"
URL = f"https://{SLOW}/a"


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Let the resolver hang; return how many connections were in use each time it was asked."""
    held: list[int] = []
    over = threading.Event()
    look_up = socket.getaddrinfo

    def hang(host: Any, *args: Any, **options: Any) -> Any:
        if host != SLOW or options.get("flags", 0) & socket.AI_NUMERICHOST:
            return look_up(host, *args, **options)
        held.append(database.engine().pool.checkedout())  # type: ignore[attr-defined]  # a QueuePool's
        over.wait(30)
        raise socket.gaierror(socket.EAI_AGAIN, "The resolver hung")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    monkeypatch.setattr(addresses, "LOOKUP_S", 0.2)
    yield held
    over.set()


def _body(tenant: str, url: str = URL) -> dict[str, Any]:
    return {"tenant": tenant, "names": ["x"], "tables": new_ids(1), "callback_url": url}


def _delivery(task: str, job_id: UUID, body: object, *, redelivered: bool = False) -> Delivery:
    return Delivery(task, str(job_id), (body,), {}, redelivered, None, str(job_id))


def _message(job_id: UUID, body: dict[str, Any]) -> None:
    accept.accept(DetachJob, _delivery(DetachJob.task, job_id, body))


def _part(job_id: UUID, body: dict[str, Any]) -> None:
    head = {name: value for name, value in body.items() if name != "tables"}
    part = {"job_id": str(job_id), "nonce": "1", "number": 0, "kind": "detach", "head": head}
    parts.accept(_delivery(Part.task, job_id, part))


@pytest.mark.parametrize("send", [_message, _part])
def test_a_message_is_refused_in_time_and_no_connection_waits_for_the_name(
    hooks: Store, held: list[int], tenant: str, send: Any
) -> None:
    operations.rotate(actor(tenant), None, {})
    job_id = uuid4()
    send(job_id, _body(tenant))
    event = driving.event(job_id)
    assert event is not None
    assert event["data"]["status"] == "rejected"
    (error,) = event["data"]["errors"]
    assert (error["path"], error["code"]) == ("/callback_url", "address_refused")
    assert "slow.example.com was not resolved within 0.2 s" in error["reason"]
    assert held == [0]
    assert len(hooks.outbox(job_id)) == 1


@pytest.mark.usefixtures("hooks")
def test_a_message_that_comes_again_does_not_wait_for_the_name(
    held: list[int], tenant: str
) -> None:
    operations.rotate(actor(tenant), None, {})
    job_id, body = uuid4(), _body(tenant)
    with database.transaction() as connection:
        transactional.record(connection, {**body, "kind": "detach"}, job_id)
    accept.accept(DetachJob, _delivery(DetachJob.task, job_id, body, redelivered=True))
    assert held == []


def test_the_command_line_refuses_it_in_time_and_holds_no_connection(
    sqlite_store: Store, held: list[int], tenant: str
) -> None:
    with configured(database_url=sqlite_store.url, **SETTINGS):
        operations.rotate(actor(tenant), None, {})
        with pytest.raises(InvalidJob, match="was not resolved within"):
            StoreBackend().record(DetachJob.parse(_body(tenant)))
    assert held == [0]


def test_in_a_transaction_of_the_callers_own_no_name_is_resolved_but_addresses_are_checked(
    hooks: Store, held: list[int], tenant: str
) -> None:
    operations.rotate(actor(tenant), None, {})
    for address in ("10.0.0.1", "[::ffff:169.254.169.254]", "2852039166"):
        body = {**_body(tenant, f"https://{address}/"), "kind": "detach"}
        with hooks.transaction() as connection, pytest.raises(InvalidJob, match="no public"):
            transactional.record(connection, body)
    with hooks.transaction() as connection:
        job_id = transactional.record(connection, {**_body(tenant), "kind": "detach"})
    assert hooks.job(job_id) is not None
    assert held == []


@pytest.mark.slow
@pytest.mark.default_configuration
def test_a_gateway_serves_all_others_while_many_wait_for_a_name(
    idle_stack: ServerStack, tmp_path: Path, tenant: str
) -> None:
    released, asked = tmp_path / "released", tmp_path / "asked"
    program = ("tests.support.hanging_names", SLOW, str(released), str(asked))
    settings = {**idle_stack.settings, **SETTINGS}
    many = STORE_THREADS + 2
    with closing(Gateway(idle_stack.folder, settings, "serve", program=program)) as gateway:
        gateway.wait()
        with gateway.client(tenant) as client, ThreadPoolExecutor(2 * many) as threads:
            client.post("/api/v1/webhooks/callbacks/rotate").raise_for_status()

            def post(path: str, body: dict[str, Any]) -> httpx.Response:
                return client.post(f"/api/v1/{path}/", json=body)

            job = {**_body(tenant), "kind": "detach"}
            waiting = [threads.submit(post, "jobs", job) for _ in range(many)]
            waiting += [threads.submit(post, "webhooks", {"url": URL}) for _ in range(many)]
            try:
                eventually(
                    lambda: asked.exists() and asked.stat().st_size == many + WEBHOOK_THREADS
                )
                del job["callback_url"]
                assert post("jobs", job).status_code == 202
                assert eventually(lambda: not _open_transactions(idle_stack))
                assert not any(one.done() for one in waiting)
            finally:
                released.touch()
            answers = [one.result() for one in waiting]
    assert {answer.status_code for answer in answers} == {422}
    for answer in answers:
        (error,) = answer.json()["errors"]
        assert error["code"] == "address_refused"
        assert error["reason"].startswith("slow.example.com cannot be resolved")


def _open_transactions(stack: ServerStack) -> int:
    """Return how many transactions of others are open on the stack's database, doing nothing."""
    query = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND state LIKE 'idle in transaction%'"
    )
    with stack.store.transaction() as connection:
        found: int = connection.execute(query).scalar_one()
    return found
