"""The NDJSON to load: checked as a whole first, and kept packed until it is written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import IO, Any

from tagsweep.producer.cli.input import errors
from tagsweep.producer.cli.input.errors import WrongUse
from tagsweep.worker.errors import InvalidJob, ItemError
from tagsweep.worker.models import bulk_load, ids
from tagsweep.worker.models.bulk_load import TagLinks, WorkspaceTags


@dataclass(frozen=True, slots=True)
class Links:
    """A tag and resources that are to carry it: sorted, distinct ids of one type."""

    tenant: str
    name: str
    resource_type: int = 0  #: 0: the tag alone
    ids: bytes = b""

    @property
    def size(self) -> int:
        """How many ids it has."""
        return ids.count(self.ids)


@dataclass(frozen=True, slots=True)
class Workspace:
    """A workspace and its tags: the value by (key, whether it is a system tag)."""

    tenant: str
    name: str
    values: dict[tuple[str, bool], str]
    shown_as: str | None = None  #: its name, for people


class Spool:
    """Valid entries in a temporary file, ids as 16 bytes each: read back without any check."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.lines = 0
        self.links = 0
        self.workspace_tags = 0

    def append(self, entry: TagLinks | WorkspaceTags) -> None:
        """Add ``entry``."""
        self.lines += 1
        if isinstance(entry, WorkspaceTags):
            values = [[key, system, value] for (key, system), value in entry.values().items()]
            self.workspace_tags += len(values)
            self._write([entry.tenant, entry.workspace, [entry.workspace_name, values]])
            return
        lists = {number: _distinct(packed) for number, packed in entry.packed().items()}
        self.links += sum(ids.count(packed) for packed in lists.values())
        self._write(
            [entry.tenant, entry.name, {number: len(packed) for number, packed in lists.items()}]
        )
        self._file.writelines(lists.values())

    def read(self, limit: int) -> Iterator[Links | Workspace]:
        """Yield everything that was added, up to ``limit`` links at a time."""
        self._file.seek(0)
        while line := self._file.readline():
            tenant, name, rest = json.loads(line)
            if isinstance(rest, list):
                shown_as, tags = rest
                values = {(key, system): value for key, system, value in tags}
                yield Workspace(tenant, name, values, shown_as)
                continue
            yield Links(tenant, name)
            for number, length in rest.items():
                for size in _sizes(length, limit * ids.WIDTH):
                    yield Links(tenant, name, int(number), self._file.read(size))

    def _write(self, head: list[Any]) -> None:
        self._file.write(json.dumps(head).encode() + b"\n")


@contextmanager
def checked(lines: Iterable[bytes], where: str) -> Iterator[Spool]:
    """Check all ``lines`` and yield what they hold.

    Raises WrongUse with the first errors, each with its line, if anything is wrong.
    """
    wrong: list[str] = []
    with TemporaryFile() as file:
        spool = Spool(file)
        for number, line in enumerate(lines, 1):
            try:
                if line.strip():
                    spool.append(bulk_load.parse(_decoded(line)))
            except InvalidJob as invalid:
                reasons = [_worded(error) for error in invalid.errors[: errors.MAX_FAULTS]]
                wrong += [f"{where}, line {number}: {reason}" for reason in reasons]
            except (ValueError, RecursionError) as error:
                wrong.append(f"{where}, line {number}: not valid JSON: {_cause(error)}.")
            if len(wrong) >= errors.MAX_FAULTS:
                break
        if wrong:
            raise WrongUse(*wrong[: errors.MAX_FAULTS], "Nothing was loaded.")
        yield spool


def _decoded(line: bytes) -> object:
    """Return the JSON of a line; a byte order mark is left where files were concatenated."""
    return json.loads(line.strip().decode("utf-8-sig"), object_pairs_hook=_object)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a field occurs twice in one object")
    return fields


def _cause(error: Exception) -> str:
    match error:
        case json.JSONDecodeError():
            return f"{error.msg} at column {error.colno}"
        case UnicodeDecodeError():
            return "it is not UTF-8"
        case RecursionError():
            return "it is nested too deep"
        case _:
            return str(error)


def _worded(error: ItemError) -> str:
    where = errors.place(error["path"])
    return f"{where}: {error['reason']}" if where else error["reason"]


def _distinct(packed: bytes) -> bytes:
    """Return the ids sorted, each once: the order that the store takes fastest."""
    return b"".join(sorted(set(ids.slices(packed))))


def _sizes(length: int, limit: int) -> Iterator[int]:
    """Yield the sizes of the slices of up to ``limit`` bytes that make up ``length``."""
    for at in range(0, length, limit):
        yield min(limit, length - at)
