"""What Celery's JSON carries as objects is taken wherever its text is."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from tagsweep.worker.broker.delivery import Delivery
from tagsweep.worker.errors import InvalidJob
from tagsweep.worker.models.jobs import DeleteJob, DetachJob, UndoJob
from tests.support.stack import ServerStack
from tests.support.stores import counts, new_ids

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_uuids_and_moments_in_a_message(server_stack: ServerStack) -> None:
    tenant, name, ids = uuid4(), uuid4(), new_ids(2)
    store = server_stack.store
    store.tag(str(tenant), str(name), tables=ids)
    store.tag(str(tenant), MOMENT.isoformat(), tables=ids)
    body = {"tenant": tenant, "names": [name, MOMENT], "tables": [UUID(ids[0]), ids[1]]}
    sent = server_stack.send("tags.detach", body)
    assert sent.get(timeout=30)["counts"] == counts(total=4, removed=4)
    undone = server_stack.send("tags.undo", {"tenant": tenant, "job": UUID(sent.id)})
    assert undone.get(timeout=30)["status"] == "succeeded"
    body = {"tenant": tenant, "workspaces": [uuid4()], "tags": [{"key": name, "value": MOMENT}]}
    assert server_stack.send("tags.delete", body).get(timeout=30)["counts"]["failed"] == 1


def test_objects_and_their_text_are_the_same_job() -> None:
    job, other = uuid4(), uuid4()
    as_objects: dict[str, Any] = {"tenant": job, "names": [other], "tables": [job, other]}
    as_text = {"tenant": str(job), "names": [str(other)], "tables": [str(job), str(other)]}
    assert DetachJob.parse(as_objects).fingerprint() == DetachJob.parse(as_text).fingerprint()
    assert UndoJob.parse({"tenant": job, "job": other}).job == str(other)
    assert DetachJob.parse({**as_text, "max_affected": Decimal(5)}).max_affected == 5


@pytest.mark.parametrize(
    "wrong",
    [
        {"tenant": b"acme"},
        {"tenant": Decimal(1)},
        {"names": [b"legacy"]},
        {"names": b"legacy"},
        {"names": [Decimal("1.5")]},
        {"tables": b"16 bytes of text"},
        {"tables": [b"16 bytes of text"]},
        {"tables": [Decimal(1)]},
        {"max_affected": Decimal("1.5")},
        {"max_affected": Decimal("NaN")},
        {"dry_run": b"yes"},
    ],
    ids=str,
)
def test_bytes_and_numbers_are_no_text(wrong: dict[str, Any]) -> None:
    body = {"tenant": "acme", "names": ["legacy"], "tables": [], **wrong}
    delivery = Delivery("tags.detach", str(uuid4()), (body,), {}, False, None, None)  # noqa: FBT003
    with pytest.raises(InvalidJob) as refused:
        DetachJob.parse(delivery.body)
    (error,) = refused.value.errors
    assert error["path"].startswith("/" + next(iter(wrong)))


def test_bytes_are_no_value() -> None:
    tags = [{"key": "env", "value": b"dev"}]
    with pytest.raises(InvalidJob, match="Not a valid string"):
        DeleteJob.parse({"tenant": "acme", "workspaces": ["w-1"], "tags": tags})
