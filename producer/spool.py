"""Long lists on their way to the broker: validated as they are read, kept on disk, not in memory.

Nothing is sent until the last id has been validated, so a bad one at the end leaves no half-sent
job. A million ids take 16 MB on disk.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import IO, Self

from tagsweep.worker.errors import InvalidJob, ItemError
from tagsweep.worker.models import fields
from tagsweep.worker.models.ids import WIDTH, UnreadableIds
from tagsweep.worker.models.resources import UUID_, WRONG, pack_kind

#: ids in one message: 2.1 MB, well below what AMQP takes; on its way it is copied several times
IDS_PER_PART = 100_000
NAMES_PER_PART = 50_000
#: errors that are reported of a list
MAX_ERRORS = 100
#: ids validated and packed at a time
_BLOCK = 20_000
#: bytes kept in memory before the disk is used
_IN_MEMORY = 1 << 20


class Spool:
    """Ids of several lists, packed end to end in a temporary file."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115  # see __exit__
        #: the field of a part, the name of a list there, and how many ids it has
        self._runs: list[tuple[str, str, int]] = []
        self._errors: list[ItemError] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, name: str, ids: Iterable[object], kind: str | None = None) -> None:
        """Add ``ids`` to the list ``name``; errors are kept for ``check``.

        ``kind``: that of the ids of mapped resources.
        """
        ids = iter(ids)
        field, path = ("resources", f"resources/{name}") if kind else ("ids", name)
        size = 0
        while block := list(islice(ids, _BLOCK)):
            try:
                self._file.write(pack_kind(kind or UUID_, block))
            except UnreadableIds as error:
                faulty = {at: block[at] for at in error.positions}
                self._note(path, size, faulty, WRONG.get(kind or UUID_, WRONG[UUID_]))
            size += len(block)
        if size:
            self._runs.append((field, name, size))

    @property
    def names(self) -> set[str]:
        """The lists that have any id."""
        return {name for _, name, _ in self._runs}

    def check(self) -> None:
        """Raise InvalidJob (a ValueError) if any id is not valid."""
        if self._errors:
            raise InvalidJob(self._errors)

    def parts(self) -> Iterator[dict[str, dict[str, bytes]]]:
        """Yield all ids, packed by list, in the fields of parts of up to IDS_PER_PART ids."""
        self._file.seek(0)
        part: dict[str, dict[str, bytes]] = {}
        room = IDS_PER_PART
        for field, name, size in self._runs:
            left = size
            while left:
                taken = min(room, left)
                part.setdefault(field, {})[name] = self._file.read(taken * WIDTH)
                left -= taken
                room -= taken
                if not room:
                    yield part
                    part, room = {}, IDS_PER_PART
        if part:
            yield part

    def _note(
        self, name: str, start: int, faulty: Mapping[int, object], wrong: tuple[str, str]
    ) -> None:
        for at, value in islice(faulty.items(), MAX_ERRORS - len(self._errors)):
            code, reason = fields.fault(value, *wrong)
            self._errors.append({"path": f"/{name}/{start + at}", "code": code, "reason": reason})


class NameSpool:
    """Ids of workspaces, one a line, in a temporary file."""

    def __init__(self) -> None:
        self._file: IO[str] = tempfile.SpooledTemporaryFile(  # noqa: SIM115  # see __exit__
            max_size=_IN_MEMORY, mode="w+", encoding="ascii"
        )
        self._size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, names: Iterable[str]) -> None:
        """Add names; raises InvalidJob (a ValueError) at the first that is not valid."""
        for name in names:
            if not fields.identifies(name):
                path, reason = f"/workspaces/{self._size}", fields.NO_IDENTIFIER
                raise InvalidJob([{"path": path, "code": "invalid_id", "reason": reason}])
            self._file.write(name + "\n")
            self._size += 1

    def parts(self) -> Iterator[list[str]]:
        """Yield all names in lists of up to NAMES_PER_PART."""
        self._file.seek(0)
        names = (line.rstrip("\n") for line in self._file)
        while part := list(islice(names, NAMES_PER_PART)):
            yield part
