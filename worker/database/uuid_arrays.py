"""Convert values between Python and PostgreSQL: packed ids, 16 bytes each, and any timestamp.

PostgreSQL has timestamps that Python cannot represent: ``infinity``, those before the year 1 and
those after 9999. So that a tag with such a time does not prevent a job from ending, it is read as
the nearest time that Python has.
"""

from __future__ import annotations

import struct
from datetime import datetime
from typing import Any

import numpy as np
import psycopg
from psycopg.adapt import Buffer, Dumper, Loader
from psycopg.pq import Format
from psycopg.types.datetime import TimestamptzBinaryLoader

from tagsweep.worker.models.ids import WIDTH
from tagsweep.worker.models.tables.types import EARLIEST, LATEST, NumberArray, UuidArray

UUID_OID, UUID_ARRAY_OID = 2950, 2951
BIGINT_OID, BIGINT_ARRAY_OID = 20, 1016
#: an element of a uuid[] on the wire: its length, and the id
_ELEMENT = np.dtype([("length", ">i4"), ("id", f"V{WIDTH}")])
#: the same of a bigint[], and a number as it is packed
_NUMBER = np.dtype([("length", ">i4"), ("number", "V8")])
_PADDED = np.dtype([("zeros", "V8"), ("number", "V8")])
_HEADER = struct.Struct("!iiIii")
_MICROSECONDS = struct.Struct("!q")


class _PackedDumper(Dumper):
    format = Format.BINARY
    oid = UUID_ARRAY_OID

    def dump(self, obj: UuidArray) -> bytes:
        if not obj:
            return struct.pack("!iiI", 0, 0, UUID_OID)
        elements = np.empty(len(obj) // WIDTH, dtype=_ELEMENT)
        elements["length"] = WIDTH
        elements["id"] = np.frombuffer(obj, dtype=_ELEMENT["id"])
        return _HEADER.pack(1, 0, UUID_OID, len(elements), 1) + elements.tobytes()


class _NumbersDumper(Dumper):
    format = Format.BINARY
    oid = BIGINT_ARRAY_OID

    def dump(self, obj: NumberArray) -> bytes:
        if not obj:
            return struct.pack("!iiI", 0, 0, BIGINT_OID)
        elements = np.empty(len(obj) // WIDTH, dtype=_NUMBER)
        elements["length"] = 8
        elements["number"] = np.frombuffer(obj, dtype=_PADDED)["number"]
        return _HEADER.pack(1, 0, BIGINT_OID, len(elements), 1) + elements.tobytes()


class _PackedLoader(Loader):
    format = Format.BINARY

    def load(self, data: Buffer) -> bytes:
        if len(data) < _HEADER.size:  # an array without elements
            return b""
        return np.frombuffer(data, dtype=_ELEMENT, offset=_HEADER.size)["id"].tobytes()


class _TimeLoader(TimestamptzBinaryLoader):
    """Reads microseconds since 2000; infinity is the highest number, -infinity the lowest."""

    def load(self, data: Buffer) -> datetime:
        try:
            return super().load(data)
        except psycopg.DataError:
            early = _MICROSECONDS.unpack(data)[0] < 0
            return EARLIEST if early else LATEST


class Cursor(psycopg.Cursor[Any]):
    """Lets the server send values in binary: a million ids as text cost a second."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.format = Format.BINARY


def adapt(connection: psycopg.BaseConnection[Any]) -> None:
    """Let a connection send and receive packed ids."""
    connection.adapters.register_dumper(UuidArray, _PackedDumper)
    connection.adapters.register_dumper(NumberArray, _NumbersDumper)
    connection.adapters.register_loader(UUID_ARRAY_OID, _PackedLoader)


def read_any_time(connection: psycopg.BaseConnection[Any]) -> None:
    """Let one of our connections read every timestamp, also those that Python cannot represent."""
    connection.adapters.register_loader("timestamptz", _TimeLoader)
