"""Long lists on their way to the broker: validated as they come, kept on disk, never in memory.

Nothing is sent before the last id was seen to be valid: a bad one far behind leaves no half-sent
job. A million ids take 16 MB on disk.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import IO, Self
from uuid import UUID

from tagsweep.worker.errors import InvalidJob, ItemError
from tagsweep.worker.models import fields
from tagsweep.worker.models import ids as resources

#: ids of one message: 2.1 MB, well below what AMQP takes; on its way it is copied several times
PART = 100_000
PART_OF_NAMES = 50_000
#: ids validated and packed at once
_BLOCK = 20_000
#: faults that are named; with a million wrong ids nobody reads them all
_MOST_ERRORS = 100
#: bytes kept in memory before the disk is used
_IN_MEMORY = 1 << 20


class Spool:
    """Ids of several lists, packed one after the other in a temporary file."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115  # see __exit__
        self._runs: list[tuple[str, int]] = []  # name of a list and how many ids it has
        self._errors: list[ItemError] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        return sum(size for _, size in self._runs)

    def add(self, name: str, ids: Iterable[str | UUID]) -> None:
        """Take the list ``name``; faults are kept for ``check``."""
        ids = iter(ids)
        size = 0
        while block := [str(one) if isinstance(one, UUID) else one for one in islice(ids, _BLOCK)]:
            try:
                self._file.write(resources.pack(block))
            except resources.UnreadableIds as error:
                self._note(name, size, {at: block[at] for at in error.positions})
            size += len(block)
        if size:
            self._runs.append((name, size))

    def check(self) -> None:
        """Raise InvalidJob (a ValueError) where any id was no UUID."""
        if self._errors:
            raise InvalidJob(self._errors)

    def parts(self) -> Iterator[dict[str, bytes]]:
        """Yield all ids, by list and packed, in parts of ``PART``."""
        self._file.seek(0)
        part: dict[str, bytes] = {}
        room = PART
        for name, size in self._runs:
            left = size
            while left:
                taken = min(room, left)
                part[name] = self._file.read(taken * resources.WIDTH)
                left -= taken
                room -= taken
                if not room:
                    yield part
                    part, room = {}, PART
        if part:
            yield part

    def _note(self, name: str, start: int, faulty: Mapping[int, object]) -> None:
        for at, one in islice(faulty.items(), _MOST_ERRORS - len(self._errors)):
            code, reason = fields.fault(one, "invalid_uuid", "Must be a valid UUID.")
            self._errors.append({"path": f"/{name}/{start + at}", "code": code, "reason": reason})


class NameSpool:
    """Ids of workspaces, one after the other in a temporary file."""

    def __init__(self) -> None:
        self._file: IO[str] = tempfile.SpooledTemporaryFile(  # noqa: SIM115  # see __exit__
            max_size=_IN_MEMORY, mode="w+", encoding="ascii"
        )
        self._size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        return self._size

    def add(self, names: Iterable[str]) -> None:
        """Take the names; raises InvalidJob (a ValueError) at the first that is not valid."""
        for name in names:
            if not fields.identifies(name):
                path, reason = f"/workspaces/{self._size}", fields.NO_IDENTIFIER
                raise InvalidJob([{"path": path, "code": "invalid_id", "reason": reason}])
            self._file.write(name + "\n")
            self._size += 1

    def parts(self) -> Iterator[list[str]]:
        """Yield all names in lists of ``PART_OF_NAMES``."""
        self._file.seek(0)
        names = (line.rstrip("\n") for line in self._file)
        while part := list(islice(names, PART_OF_NAMES)):
            yield part
