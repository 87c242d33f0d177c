"""Column types and functions that PostgreSQL and SQLite each implement in their own way."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, Dialect, LargeBinary, Uuid, literal
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine, UserDefinedType

#: the highest number that a bigint can be
HIGHEST = 2**63 - 1
#: the limits of Python's datetime: times beyond them are read as these
EARLIEST = datetime.min.replace(tzinfo=UTC)
LATEST = datetime.max.replace(tzinfo=UTC)


class Id(TypeDecorator[UUID]):
    """A UUID: native on PostgreSQL, 16 bytes on SQLite."""

    impl = Uuid
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return LargeBinary(16) if dialect.name == "sqlite" else Uuid()

    def process_bind_param(self, value: UUID | None, dialect: Dialect) -> Any:
        return value.bytes if value and dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> UUID | None:
        return UUID(bytes=value) if isinstance(value, bytes) else value


class PackedIds(UserDefinedType[bytes]):
    """Many UUIDs, in Python 16 bytes each: an array on PostgreSQL, the bytes themselves on SQLite.

    On PostgreSQL the driver turns them into ``uuid[]`` and back (``database.uuid_arrays``).
    """

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "UUID[]"

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any] | None:
        if dialect.name == "sqlite":
            return None
        return lambda value: None if value is None else UuidArray(value)


class UuidArray(bytes):
    """Packed ids as a bind parameter of PostgreSQL."""

    __slots__ = ()


class Number(TypeDecorator[UUID]):
    """A whole number in a table of the operator's own; in Python a UUID, mostly zeros."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: UUID | None, dialect: Dialect) -> int | None:
        return None if value is None else min(value.int, HIGHEST)

    def process_result_value(self, value: int | None, dialect: Dialect) -> UUID | None:
        return None if value is None else UUID(int=value % 2**64)


class PackedNumbers(UserDefinedType[bytes]):
    """Many such numbers, in Python 16 bytes each: an array of ``bigint``."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "BIGINT[]"

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any]:
        return lambda value: None if value is None else NumberArray(value)


class NumberArray(bytes):
    """Packed numbers as a bind parameter of PostgreSQL."""

    __slots__ = ()


class _AnyTime(sqlite.DATETIME):
    """Text that is read as a time; one that Python cannot represent, as the nearest it can.

    SQLite takes any text, so a store copied from PostgreSQL may contain ``infinity``.
    """

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        read = super().result_processor(dialect, coltype)

        def process(value: Any) -> datetime | None:
            try:
                return read(value) if read else value
            except ValueError:
                early = str(value).startswith("-") or str(value).endswith("BC")
                return (EARLIEST if early else LATEST).replace(tzinfo=None)

        return process


class Moment(TypeDecorator[datetime]):
    """An instant, in UTC."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return _AnyTime() if dialect.name == "sqlite" else DateTime(timezone=True)  # type: ignore[no-untyped-call]  # SQLAlchemy's own

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value and dialect.name == "sqlite":
            return value.astimezone(UTC).replace(tzinfo=None)
        return value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value and value.tzinfo is None:
            return value.replace(tzinfo=UTC)
        return value and value.astimezone(UTC)


class clock(FunctionElement[datetime]):  # noqa: N801  # reads as the SQL function that it is
    """The time of the database's clock now, not at the start of the transaction."""

    type = Moment()
    inherit_cache = True


class began(FunctionElement[datetime]):  # noqa: N801
    """The time of the database's clock at the start of the statement: the same for all its rows."""

    type = Moment()
    inherit_cache = True


class ago(FunctionElement[datetime]):  # noqa: N801
    """The time of the database's clock so many seconds ago."""

    type = Moment()
    inherit_cache = True

    def __init__(self, seconds: float) -> None:
        super().__init__(literal(float(seconds)))


class random_id(FunctionElement[UUID]):  # noqa: N801
    """A new random UUID, generated by the database."""

    type = Id()
    inherit_cache = True


#: SQLite's clock counts milliseconds; the zeros make its text comparable to six-digit times
SQLITE_CLOCK = "(strftime('%Y-%m-%d %H:%M:%f000', 'now'))"


@compiles(PackedIds, "sqlite")
def _blob(*_: Any, **__: Any) -> str:
    return "BLOB"


@compiles(clock, "postgresql")
def _postgresql_clock(element: ColumnElement[Any], compiler: Any, **_: Any) -> str:
    return "clock_timestamp()"


@compiles(began, "postgresql")
def _postgresql_began(element: ColumnElement[Any], compiler: Any, **_: Any) -> str:
    return "statement_timestamp()"


@compiles(ago, "postgresql")
def _postgresql_ago(element: ago, compiler: Any, **options: Any) -> str:
    return (
        f"clock_timestamp() - make_interval(secs => {compiler.process(element.clauses, **options)})"
    )


@compiles(ago, "sqlite")
def _sqlite_ago(element: ago, compiler: Any, **options: Any) -> str:
    seconds = compiler.process(element.clauses, **options)
    return f"strftime('%Y-%m-%d %H:%M:%f000', 'now', -{seconds} || ' seconds')"


@compiles(random_id, "postgresql")
def _postgresql_id(element: ColumnElement[Any], compiler: Any, **_: Any) -> str:
    return "gen_random_uuid()"


@compiles(random_id, "sqlite")
def _sqlite_id(element: ColumnElement[Any], compiler: Any, **_: Any) -> str:
    return "(randomblob(16))"


@compiles(began, "sqlite")
@compiles(clock, "sqlite")
def _sqlite_clock(element: ColumnElement[Any], compiler: Any, **_: Any) -> str:
    return SQLITE_CLOCK
