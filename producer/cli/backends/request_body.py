"""Bodies of requests: a short document, or a job in pieces, however long its lists are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cached_property
from itertools import islice

from tagsweep.worker.models import requests
from tagsweep.worker.models.ids import RESOURCE_TYPES, count, name_of, unpack
from tagsweep.worker.models.jobs import Job

#: ids in a piece: 390 kB
PIECE = 10_000
#: an id in its canonical spelling, in quotes, and a comma or bracket
ID_BYTES = 39


class Document:
    """A short body."""

    def __init__(self, value: object) -> None:
        self._text = json.dumps(value).encode()

    def __len__(self) -> int:
        return len(self._text)

    def __iter__(self) -> Iterator[bytes]:
        yield self._text


class Payload:
    """The job as JSON with its ``kind``; the same bytes each time it is read."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        yield self._head
        for number, packed in self._job.packed().items():
            yield _opening(name_of(number))
            yield from _listed(unpack(packed))
        if self._names_workspaces:
            yield _opening("workspaces")
            yield from _listed(iter(self._job.workspace_ids()))
        yield from self._mapped()
        yield b"}"

    @cached_property
    def _head(self) -> bytes:
        head = {**self._job.head(), "kind": self._job.kind}
        head.pop("resources", None)
        for name in requests.empty(self._job):
            if name in RESOURCE_TYPES:  # the others are always written, below
                head[name] = []
        return json.dumps(head)[:-1].encode()

    def _mapped(self) -> Iterator[bytes]:
        """Yield the lists of mapped resources."""
        comma = ',"resources":{'
        for name, ids in getattr(self._job, "resources", {}).items():
            yield f"{comma}{json.dumps(name)}:".encode()
            if isinstance(ids, str):
                yield json.dumps(ids).encode()
            else:
                yield b"["
                yield from _joined(ids.texts())
                yield b"]"
            comma = ","
        if comma == ",":
            yield b"}"

    @property
    def _names_workspaces(self) -> bool:
        """Whether it has a list of workspaces, rather than ``"*"`` in its head."""
        return "workspaces" in self._job.lists and "workspaces" not in self._job.head()

    @cached_property
    def _size(self) -> int:
        size = len(self._head) + len(b"}")
        for number, packed in self._job.packed().items():
            size += len(_opening(name_of(number))) + count(packed) * ID_BYTES
        if self._names_workspaces:
            names = self._job.workspace_ids()
            quoted = sum(len(name) + 3 for name in names)  # identifiers: ASCII, nothing to escape
            size += len(_opening("workspaces")) + (quoted or 1)
        return size + sum(map(len, self._mapped()))


def _opening(name: str) -> bytes:
    return f',"{name}":['.encode()


def _listed(ids: Iterator[str]) -> Iterator[bytes]:
    """Yield the items of a list and the bracket that closes it."""
    yield from _joined(f'"{text}"' for text in ids)
    yield b"]"


def _joined(items: Iterator[str]) -> Iterator[bytes]:
    comma = ""
    while piece := list(islice(items, PIECE)):
        yield (comma + ",".join(piece)).encode()
        comma = ","
