"""What somebody asks for twice is done once, also at the same moment: forms are sent again."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import UUID, uuid4

import pytest

from tagsweep.worker import database
from tagsweep.worker.webhooks import callbacks, endpoints, operations, rotation
from tagsweep.worker.webhooks.requests import DoneBefore
from tests.support.receivers import Receiver
from tests.webhooks.conftest import actor, make

pytestmark = pytest.mark.usefixtures("hooks")

MANY = 6


def _at_once(step: Callable[[], Any]) -> list[Any]:
    """Do something many times at the same moment; return what came of it, refusals left out."""
    barrier = Barrier(MANY)

    def run() -> Any:
        barrier.wait()
        try:
            return step()
        except DoneBefore:
            return None

    with ThreadPoolExecutor(MANY) as threads:
        done = [one.result() for one in [threads.submit(run) for _ in range(MANY)]]
    return [one for one in done if one is not None]


def _version(tenant: str, webhook_id: UUID | None) -> str:
    with database.reading() as connection:
        if webhook_id is None:
            return rotation.version(callbacks.find(connection, tenant))
        return rotation.version(endpoints.find(connection, tenant, webhook_id))


def test_a_webhook_under_an_id_is_made_once(receiver: Receiver, tenant: str) -> None:
    wanted, body = uuid4(), {"url": receiver.url("/a")}
    (made,) = _at_once(lambda: operations.create(actor(tenant), body, wanted))
    assert made["id"] == str(wanted)
    assert [one["id"] for one in operations.listed(tenant)] == [str(wanted)]
    with pytest.raises(DoneBefore):  # nobody else has it either
        operations.create(actor("another"), body, wanted)
    assert operations.listed("another") == []


@pytest.mark.parametrize("of", ["webhook", "callbacks"])
def test_a_secret_is_replaced_once(receiver: Receiver, tenant: str, of: str) -> None:
    webhook_id = make(receiver, tenant, "/a") if of == "webhook" else None
    for _ in range(2):  # of callbacks, there is none at first
        version = _version(tenant, webhook_id)
        (made,) = _at_once(lambda: operations.rotate(actor(tenant), webhook_id, {}, version))  # noqa: B023  # all are over by then
        assert made["secret"].startswith("whsec_")
        assert _version(tenant, webhook_id) != version
    with pytest.raises(DoneBefore):  # where there is none, there is none of that version
        operations.rotate(actor("another"), None, {}, _version(tenant, webhook_id))


@pytest.mark.parametrize("of", ["webhook", "callbacks"])
def test_whoever_names_no_version_replaces_whichever_there_is(
    receiver: Receiver, tenant: str, of: str
) -> None:
    webhook_id = make(receiver, tenant, "/a") if of == "webhook" else None
    made = _at_once(lambda: operations.rotate(actor(tenant), webhook_id, {}))
    assert len({one["secret"] for one in made}) == MANY
