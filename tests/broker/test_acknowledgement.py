"""No message is acknowledged before something about it is committed, or a copy is confirmed."""

from __future__ import annotations

import builtins
import pickle
import sqlite3
import time
from collections.abc import Callable, Iterator
from functools import partial
from types import ModuleType
from typing import Any
from uuid import uuid4

import amqp.exceptions
import billiard.exceptions
import celery.exceptions
import kombu.exceptions
import psycopg.errors
import pytest
import redis.exceptions
import sqlalchemy.exc
from billiard.einfo import ExceptionInfo
from celery.app.trace import trace_task
from sqlalchemy import text

from tagsweep.worker import database, errors
from tagsweep.worker.broker import app, delivery, sending
from tagsweep.worker.broker.delivery import Delivery, give_up_with, task
from tagsweep.worker.broker.runtime import consumer
from tagsweep.worker.database import errors as database_errors
from tagsweep.worker.errors import (
    BrokerUnavailable,
    Retryable,
    StoreBusy,
    StoreRefused,
    StoreUnavailable,
)
from tests.support.fixtures import configured
from tests.support.stores import Store

pytestmark = pytest.mark.filterwarnings("ignore::celery.exceptions.CDeprecationWarning")

#: what classes of errors are called with
WAYS: tuple[tuple[Any, ...], ...] = (
    ("not now",),
    (),
    ("not now", {}, Exception()),
    ("not now", [KeyError()]),
)
MODULES = (
    builtins,
    sqlite3,
    sqlalchemy.exc,
    psycopg.errors,
    kombu.exceptions,
    amqp.exceptions,
    redis.exceptions,
    celery.exceptions,
    billiard.exceptions,
    errors,
)


def _classes(module: ModuleType) -> list[type[BaseException]]:
    found = {one for one in vars(module).values() if isinstance(one, type)}
    known = [one for one in found if issubclass(one, BaseException)]
    return sorted(known, key=lambda one: one.__name__)


def _made(kind: type[BaseException]) -> BaseException:
    for arguments in WAYS:
        try:
            return kind(*arguments)
        except Exception:  # noqa: BLE001, S112  # it wants other ones
            continue
    made: BaseException = kind.__new__(kind, "not now")
    made.args = ("not now",)
    return made


class Message:
    """A call as it comes from the broker."""

    content_type, content_encoding = "application/json", "utf-8"
    body = b"[[1], {}, {}]"

    def __init__(self) -> None:
        self.properties: dict[str, Any] = {}
        address = {"exchange": "tagsweep", "routing_key": "tagsweep"}
        self.delivery_info: dict[str, Any] = {**address, "redelivered": False}
        self.headers: dict[str, Any] = {"id": str(uuid4()), "task": "tags.tried", "lang": "py"}
        self.payload: Any = ([1], {}, {})


class Worker:
    """What Celery makes of one message, from the call of its task to the acknowledgement."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.copies_taken: Callable[[], bool] = lambda: True
        self.fate: list[str] = []
        self.raised: Callable[[], None] = lambda: None
        monkeypatch.setattr(time, "sleep", lambda _: None)
        monkeypatch.setattr(sending, "send_anew", self._send_anew)
        self.task = task("tags.tried")(lambda _: self.raised())

    def _send_anew(self, _: Any) -> None:
        if not self.copies_taken():
            raise BrokerUnavailable
        self.fate.append("copied")

    def take(self, error: BaseException | None) -> list[str]:
        """Return what becomes of a message whose step raises ``error``, in its order."""

        def raised() -> None:
            if error is not None:
                raise error

        self.fate, self.raised = [], raised
        message = Message()
        request = consumer.Request(
            message,
            app=app.app(),
            task=self.task,
            on_ack=lambda *_: self.fate.append("acknowledged"),
            on_reject=lambda _, __, requeue: self.fate.append(f"requeue={requeue}"),
        )
        try:
            self._traced(request)
        except BaseException as death:  # as the parent sees it, its process is gone
            if isinstance(death, Exception):
                raise
            request.on_failure(_info(death), return_ok=True)
        return self.fate

    def _traced(self, request: Any) -> None:
        found, info, runtime, said = trace_task(
            self.task, request.id, (1,), {}, request.request_dict, app=app.app()
        )
        result = (1, found, runtime) if info else (0, said, runtime)
        request.on_success(pickle.loads(pickle.dumps(result)))  # noqa: S301  # as billiard does


def _info(error: BaseException) -> Any:
    try:
        raise error  # noqa: TRY301  # for its traceback
    except BaseException:  # noqa: BLE001  # it is what was raised
        return ExceptionInfo()


@pytest.fixture(params=["redis://127.0.0.1:1/0", "amqp://127.0.0.1:1//"])
def worker(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    """A worker on either kind of broker, which nobody connects to."""
    with configured(broker_url=request.param, database_url="sqlite:///nowhere.db"):
        monkeypatch.setattr(delivery, "_givers_up", [])
        yield Worker(monkeypatch)


def _errors() -> Iterator[BaseException]:
    for module in MODULES:
        for kind in _classes(module):
            yield _made(kind)


def test_what_is_done_is_acknowledged(worker: Worker) -> None:
    assert worker.take(None) == ["acknowledged"]


@pytest.mark.slow
def test_whatever_is_raised_a_copy_is_confirmed_before_the_message_is_acknowledged(
    worker: Worker,
) -> None:
    seen = 0
    for error in _errors():
        seen += 1
        if isinstance(error, Exception):
            assert worker.take(error) == ["copied", "acknowledged"], repr(error)
        else:
            assert worker.take(error) == ["requeue=True"], repr(error)
    assert seen > 500


@pytest.mark.slow
def test_where_the_broker_takes_no_copy_the_message_is_given_back_or_waits_in_hand(
    worker: Worker,
) -> None:
    limited = app.app().conf.broker_url.startswith("amqp")
    for error in _errors():
        if not isinstance(error, Exception):
            continue
        worker.copies_taken = partial(next, iter([False, False, True]))
        expected = ["copied", "acknowledged"] if limited else ["requeue=True"]
        assert worker.take(error) == expected, repr(error)


def test_what_celery_itself_raises_around_a_step_gives_the_message_back(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("in Celery")

    monkeypatch.setattr(delivery, "_done", broken)
    assert worker.take(None) == ["requeue=True"]


def test_an_unexpected_error_is_acknowledged_once_it_is_given_up(worker: Worker) -> None:
    told: list[Exception] = []

    def give_up(delivery: Delivery, error: Exception) -> bool:
        assert delivery.task == "tags.tried"
        told.append(error)
        return len(told) == 3

    give_up_with(give_up)
    for fate in (["copied", "acknowledged"], ["copied", "acknowledged"], ["acknowledged"]):
        assert worker.take(KeyError("a bug")) == fate
    assert worker.take(Retryable("later")) == ["copied", "acknowledged"]
    assert len(told) == 3


def test_where_it_cannot_be_given_up_the_message_is_sent_anew(worker: Worker) -> None:
    def refused(_: Delivery, __: Exception) -> bool:
        raise StoreRefused("read-only")

    give_up_with(refused)
    assert worker.take(KeyError("a bug")) == ["copied", "acknowledged"]


def test_a_caller_does_not_decide_how_long_a_step_may_take(worker: Worker) -> None:
    message = Message()
    message.headers["timelimit"] = [0.1, 0.1]
    request = consumer.Request(message, app=app.app(), task=worker.task)
    assert request.time_limits == (None, None)


@pytest.mark.parametrize("payload", [([1], [], {}), ([1], {}, [1]), ([1], None, {}), ([1], {})])
def test_a_call_whose_arguments_are_no_arguments_reaches_no_task(
    worker: Worker, payload: Any
) -> None:
    message = Message()
    message.payload = payload
    with pytest.raises(celery.exceptions.InvalidTaskError):
        consumer.Request(message, app=app.app(), task=worker.task)


def _translated(original: Exception, base: type[Exception]) -> Exception:
    wrapped = sqlalchemy.exc.DBAPIError.instance("SELECT 1", {}, original, base)
    with pytest.raises(errors.TagsweepError) as raised, database_errors.translated():
        raise wrapped
    return raised.value


@pytest.mark.usefixtures("worker")
def test_every_code_of_postgresql_has_a_fate() -> None:
    codes = {
        str(one.sqlstate): one
        for one in _classes(psycopg.errors)
        if issubclass(one, psycopg.Error) and one.sqlstate
    }
    assert len(codes) > 200
    for code, kind in codes.items():
        found = _translated(kind("no"), psycopg.Error)
        assert isinstance(found, Retryable), code
        if code.startswith(("08", "57P")) or code == "53300":
            assert isinstance(found, StoreUnavailable), code
        elif code in ("55P03", "40P01", "40001"):
            assert isinstance(found, StoreBusy), code
        else:
            assert isinstance(found, StoreRefused), code
            assert found.by_item == code.startswith(("22", "23", "27", "44", "P0")), code


@pytest.mark.usefixtures("worker")
def test_a_code_that_nobody_knows_is_a_statement_refused() -> None:
    unknown = psycopg.Error("no")
    unknown.sqlstate = "ZZ999"
    found = _translated(unknown, psycopg.Error)
    assert isinstance(found, StoreRefused)
    assert not found.by_item


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize(
    "name, fate, by_item",
    [
        ("SQLITE_BUSY", StoreBusy, None),
        ("SQLITE_LOCKED", StoreBusy, None),
        ("SQLITE_READONLY", StoreUnavailable, None),
        ("SQLITE_FULL", StoreUnavailable, None),
        ("SQLITE_IOERR", StoreUnavailable, None),
        ("SQLITE_CANTOPEN", StoreUnavailable, None),
        ("SQLITE_NOTADB", StoreUnavailable, None),
        ("SQLITE_CORRUPT", StoreUnavailable, None),
        ("SQLITE_ERROR", StoreRefused, False),
        ("SQLITE_INTERRUPT", StoreRefused, False),
        ("SQLITE_NOMEM", StoreRefused, False),
        ("SQLITE_CONSTRAINT", StoreRefused, True),
    ],
)
def test_every_code_of_sqlite_has_a_fate(name: str, fate: type, by_item: bool | None) -> None:  # noqa: FBT001  # a row of the table
    kind = sqlite3.IntegrityError if name == "SQLITE_CONSTRAINT" else sqlite3.OperationalError
    original = kind("no")
    original.sqlite_errorcode = getattr(sqlite3, name)
    found = _translated(original, sqlite3.Error)
    assert type(found) is fate
    assert getattr(found, "by_item", None) is by_item


@pytest.mark.parametrize("code", database_errors.STALE)
def test_a_session_that_may_go_on_refusing_is_used_once_at_most(
    postgres_store: Store, code: str
) -> None:
    def session() -> int:
        with database.transaction() as connection:
            return int(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())

    refused = session()
    assert session() == refused
    raising = f"DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{code}'; END $$"
    with pytest.raises(StoreRefused), database.transaction() as connection:
        connection.execute(text(raising))
    assert session() != refused
    assert postgres_store.tags("nobody") == {}
