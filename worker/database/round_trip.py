"""Some statements for PostgreSQL in one round trip: libpq's pipeline mode, without psycopg's own.

That one waits on the socket for each statement, which took most of the time of a small job. Here it
is waited for once.
"""

from __future__ import annotations

import itertools
from collections import namedtuple
from collections.abc import Callable, Generator, MutableMapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import psycopg
from psycopg import errors, generators, pq
from psycopg.adapt import PyFormat, Transformer
from psycopg.pq.abc import PGconn, PGresult

from tagsweep.worker.database.sessions import ISOLATION

#: a statement's text, and the types of its values
_Key = tuple[bytes, tuple[int, ...]]
#: the names of what is prepared in a session
Prepared = MutableMapping[_Key, bytes]

_BEGIN = f"BEGIN ISOLATION LEVEL {ISOLATION}".encode()
_numbers = itertools.count(1)
FORGOTTEN = "the session has forgotten its prepared statements: the transaction can be done again"


@dataclass(frozen=True, slots=True)
class _Sent:
    """A statement with its values, as the server takes them, and what it has returned."""

    key: _Key
    values: Sequence[Any]
    formats: Sequence[Any]
    rows: list[Any] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Command:
    """What is answered by itself: the call that sends it, and what takes its result."""

    send: Callable[[PGconn], None]
    take: Callable[[PGresult], None] | None = None


class RoundTrip:
    """Statements that wait to be sent together; the first of a transaction begins it.

    What follows a commit is a transaction of its own.
    """

    def __init__(self, driver: psycopg.Connection[Any], prepared: Prepared) -> None:
        self._driver = driver
        self._prepared = prepared
        #: None: a commit
        self._steps: list[_Sent | None] = []

    def execute(self, text: bytes, values: Sequence[Any]) -> list[Any]:
        """Execute a statement whose values are ``$1``, ``$2`` and so on in its text.

        Return the list that will have its rows.
        """
        dumped = Transformer(self._driver)
        packed = dumped.dump_sequence(values, [PyFormat.AUTO] * len(values))
        key = (text, tuple(dumped.types or ()))
        sent = _Sent(key, packed, dumped.formats or ())
        self._steps.append(sent)
        return sent.rows

    def commit(self) -> None:
        """Commit behind the statements until here, unless any of them fails."""
        self._steps.append(None)

    def make(self) -> None:
        """Send all and take the answers; raises the first error, behind which nothing was done."""
        if not self._steps:
            return
        begins = self._driver.pgconn.transaction_status == pq.TransactionStatus.IDLE
        try:
            self._make(begins=begins)
        except (errors.InvalidSqlStatementName, errors.FeatureNotSupported):
            # psycopg makes a session forget all that is prepared after some of its rollbacks; and
            # what was prepared before a column got another type is refused
            self._prepared.clear()
            if not begins or None in self._steps[:-1]:  # there is more to be done again than this
                raise errors.SerializationFailure(FORGOTTEN) from None
            self._driver.rollback()
            for one in self._steps:
                if one is not None:
                    one.rows.clear()
            self._make(begins=True)

    def _make(self, *, begins: bool) -> None:
        commands = list(self._commands(begins=begins))
        server = self._driver.pgconn
        with self._driver.lock:
            server.enter_pipeline_mode()
            try:
                results = self._driver.wait(_exchanged(server, commands))
                server.exit_pipeline_mode()
            except BaseException:
                server.finish()  # nobody knows what was done, or what is still to be read
                raise
        for command, found in zip(commands, results, strict=True):
            for result in found:
                if result.status == pq.ExecStatus.FATAL_ERROR:
                    raise errors.error_from_result(result, self._driver.info.encoding)
                if command.take is not None:
                    command.take(result)

    def _commands(self, *, begins: bool) -> Generator[_Command]:
        new: dict[_Key, bytes] = {}
        for one in self._steps:
            if begins:
                yield _plain(_BEGIN)
            begins = one is None
            if one is None:
                yield _plain(b"COMMIT")
                continue
            name = self._prepared.get(one.key) or new.get(one.key)
            if name is None:
                name = new[one.key] = b"tagsweep_%d" % next(_numbers)
                yield _preparation(one.key, name, self._prepared)
            yield _Command(_execution(one, name), partial(self._take_rows, one))

    def _take_rows(self, sent: _Sent, result: PGresult) -> None:
        loaded = Transformer(self._driver)
        loaded.set_pgresult(result)
        names = tuple((result.fname(at) or b"").decode() for at in range(result.nfields))
        make: Callable[[Sequence[Any]], Any] = _row_type(names)._make
        sent.rows.extend(loaded.load_rows(0, result.ntuples, make))


def _plain(text: bytes) -> _Command:
    return _Command(lambda server: server.send_query_params(text, None))


def _preparation(key: _Key, name: bytes, prepared: Prepared) -> _Command:
    text, types = key
    return _Command(
        lambda server: server.send_prepare(name, text, types),
        lambda _: prepared.update({key: name}),
    )


def _execution(sent: _Sent, name: bytes) -> Callable[[PGconn], None]:
    values, formats = sent.values, sent.formats
    return lambda server: server.send_query_prepared(name, values, formats, pq.Format.BINARY)


def _exchanged(
    server: PGconn, commands: Sequence[_Command]
) -> Generator[Any, Any, list[list[PGresult]]]:
    for command in commands:
        command.send(server)
    server.pipeline_sync()
    yield from generators.send(server)
    results = []
    for _ in commands:
        found = yield from generators.fetch_many(server)
        results.append(found)
    yield from generators.fetch_many(server)  # the answer to the sync
    return results


@cache
def _row_type(names: tuple[str, ...]) -> Any:
    return namedtuple("Row", names)  # noqa: PYI024  # its names are a query's columns
