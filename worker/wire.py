"""How packed ids travel between a worker and PostgreSQL: as they are, 16 bytes each."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import psycopg
from psycopg.adapt import Buffer, Dumper, Loader
from psycopg.pq import Format

from worker.models.resources import WIDTH
from worker.models.types import UuidArray

UUID_OID, UUID_ARRAY_OID = 2950, 2951
#: an id in a uuid[] on its way: its length, and itself
_ELEMENT = np.dtype([("length", ">i4"), ("id", f"V{WIDTH}")])
_HEADER = struct.Struct("!iiIii")


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


class Cursor(psycopg.Cursor[Any]):
    """Lets the server send values as they are: a million ids as text cost a second."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.format = Format.BINARY


def adapt(connection: psycopg.BaseConnection[Any]) -> None:
    """Teach a connection to send and to receive them."""
    connection.adapters.register_dumper(UuidArray, _PackedDumper)
    connection.adapters.register_loader(UUID_ARRAY_OID, _PackedLoader)
