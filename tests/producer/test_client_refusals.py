"""What TagSweep refuses, before anything is sent, and within seconds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tagsweep import TagSweep
from tagsweep.worker.errors import BrokerUnavailable, InvalidJob, TagsweepError
from tests.servers.processes import free_port
from tests.support.fixtures import configured
from tests.support.stack import drop_connections, messages_waiting
from tests.support.stores import new_ids


def test_a_bad_id_at_the_far_end_of_a_generator_sends_nothing(
    unheard: TagSweep, redis_url: str
) -> None:
    def ids() -> Iterator[str]:
        yield from new_ids(45_000, seed=1)
        yield "no uuid"

    with pytest.raises(InvalidJob) as raised:
        unheard.detach(tenant="acme", names=["legacy"], tables=ids())
    assert raised.value.errors == [
        {"path": "/tables/45000", "code": "invalid_uuid", "reason": "Must be a valid UUID."}
    ]
    assert messages_waiting(redis_url) == 0


def test_a_bad_workspace_at_the_far_end_sends_nothing(unheard: TagSweep, redis_url: str) -> None:
    names = (f"w-{number}" if number < 30_000 else "a b" for number in range(30_001))
    with pytest.raises(InvalidJob, match="letters, digits or hyphens"):
        unheard.delete(tenant="acme", workspaces=names, tags=[{"key": "env"}])
    assert messages_waiting(redis_url) == 0


@pytest.mark.parametrize(
    "wrong, path",
    [
        ({"tenant": ""}, "/tenant"),
        ({"tenant": "x" * 37}, "/tenant"),
        ({"names": [""]}, "/names/0"),
        ({"names": ["x" * 256]}, "/names/0"),
        ({"names": [7]}, "/names/0"),
        ({"names": "legacy"}, "/names"),
        ({"names": [f"n{number}" for number in range(1_001)]}, "/names"),
        ({"tables": "8d5e2b9e-0000-4000-8000-000000000000"}, "/tables"),
        ({"tables": b"8d5e2b9e"}, "/tables"),
        ({"tables": 7}, "/tables"),
        ({"tables": None}, "/tables"),
        ({"tables": [None]}, "/tables/0"),
        ({"job_id": "no uuid"}, "/job_id"),
    ],
)
def test_what_is_no_valid_detach_is_a_value_error_and_sends_nothing(
    unheard: TagSweep, redis_url: str, wrong: dict[str, Any], path: str
) -> None:
    asked: dict[str, Any] = {"tenant": "acme", "names": ["legacy"], **wrong}
    with pytest.raises(ValueError) as raised:  # noqa: PT011  # the promise is a ValueError
        unheard.detach(**asked)
    assert isinstance(raised.value, InvalidJob)
    assert [error["path"] for error in raised.value.errors] == [path]
    assert messages_waiting(redis_url) == 0


@pytest.mark.parametrize(
    "wrong, path",
    [
        ({"workspaces": "w-1"}, "/workspaces"),
        ({"workspaces": [""]}, "/workspaces/0"),
        ({"tags": []}, ""),
        ({"tags": [{"key": " "}]}, "/tags/0/key"),
        ({"tags": [{"value": "dev"}]}, "/tags/0/key"),
        ({"sys_tags": [{"key": "env", "x": 1}]}, "/sys_tags/0/x"),
    ],
)
def test_what_is_no_valid_delete_is_a_value_error_and_sends_nothing(
    unheard: TagSweep, redis_url: str, wrong: dict[str, Any], path: str
) -> None:
    asked: dict[str, Any] = {
        "tenant": "acme",
        "workspaces": ["w-1"],
        "tags": [{"key": "env"}],
        **wrong,
    }
    with pytest.raises(InvalidJob) as raised:
        unheard.delete(**asked)
    assert [error["path"] for error in raised.value.errors] == [path]
    assert messages_waiting(redis_url) == 0


@pytest.mark.parametrize("kind", ["redis", "amqp"])
@pytest.mark.parametrize("how_many", [1, 25_000])
def test_a_broker_that_is_down_is_told_within_five_seconds(kind: str, how_many: int) -> None:
    url = f"{kind}://127.0.0.1:{free_port()}//"
    sender = TagSweep(broker_url=url if kind == "amqp" else url[:-2])
    started = time.monotonic()
    with pytest.raises(BrokerUnavailable, match=r"127\.0\.0\.1"):
        sender.detach(tenant="acme", names=["legacy"], tables=new_ids(how_many, seed=1))
    assert time.monotonic() - started < 5
    drop_connections(sender._app)


def test_memory_without_a_worker_in_this_process_is_refused() -> None:
    with configured(), pytest.raises(TagsweepError, match="memory://"):
        TagSweep().detach(tenant="acme", names=["legacy"])


@pytest.mark.parametrize("how_many", [150, 30_000])
def test_of_many_bad_ids_a_hundred_are_reported(unheard: TagSweep, how_many: int) -> None:
    with pytest.raises(InvalidJob) as raised:
        unheard.detach(tenant="acme", names=["legacy"], tables=["no uuid"] * how_many)
    reported = [error["path"] for error in raised.value.errors]
    assert reported == [f"/tables/{place}" for place in range(100)]
