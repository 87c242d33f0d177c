"""How values travel between us and PostgreSQL: packed ids as they are, 16 bytes each; any time.

PostgreSQL knows times that Python has no number for: ``infinity``, those before the year 1 and
those after 9999. Whoever set one on a tag need not be able to read a job's end: it is read as the
nearest that there is.
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
from tagsweep.worker.models.tables.types import EARLIEST, LATEST, UuidArray

UUID_OID, UUID_ARRAY_OID = 2950, 2951
#: an id in a uuid[] on its way: its length, and itself
_ELEMENT = np.dtype([("length", ">i4"), ("id", f"V{WIDTH}")])
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


class _PackedLoader(Loader):
    format = Format.BINARY

    def load(self, data: Buffer) -> bytes:
        if len(data) < _HEADER.size:  # an array without elements
            return b""
        return np.frombuffer(data, dtype=_ELEMENT, offset=_HEADER.size)["id"].tobytes()


class _TimeLoader(TimestamptzBinaryLoader):
    """Reads microseconds since 2000; infinity is the highest, minus infinity the lowest."""

    def load(self, data: Buffer) -> datetime:
        try:
            return super().load(data)
        except psycopg.DataError:
            early = _MICROSECONDS.unpack(data)[0] < 0
            return EARLIEST if early else LATEST


class Cursor(psycopg.Cursor[Any]):
    """Lets the server send values as they are: a million ids as text cost a second."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.format = Format.BINARY


def adapt(connection: psycopg.BaseConnection[Any]) -> None:
    """Teach a connection to send and to receive packed ids."""
    connection.adapters.register_dumper(UuidArray, _PackedDumper)
    connection.adapters.register_loader(UUID_ARRAY_OID, _PackedLoader)


def read_any_time(connection: psycopg.BaseConnection[Any]) -> None:
    """Let a connection of ours read each time, those too that Python has no number for."""
    connection.adapters.register_loader("timestamptz", _TimeLoader)
