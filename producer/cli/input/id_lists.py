"""The long lists of a command: ids separated by commas, ``@FILE``, ``@-``, or ``'*'``.

They may be millions long: they are read in batches, and ids of resources take 16 bytes each.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from io import BytesIO
from itertools import islice
from typing import IO, Any

from pydantic import TypeAdapter, ValidationError

from tagsweep.producer.cli.input import errors, id_files
from tagsweep.producer.cli.input.id_files import Entry
from tagsweep.worker.models.fields import EVERY, Ids, Workspaces
from tagsweep.worker.models.resources import ANY, ResourceIds, Selected

BATCH = 50_000
_IDS: TypeAdapter[bytes] = TypeAdapter(Ids)
_RESOURCES: TypeAdapter[Any] = TypeAdapter(Selected)
_WORKSPACES: TypeAdapter[tuple[str, ...]] = TypeAdapter(Workspaces)


class Reader:
    """Reads the lists of one command and collects the errors of all of them."""

    def __init__(self, column: str | None = None) -> None:
        """Read ``column`` of files that have columns."""
        self.faults: list[str] = []
        self._column = column
        self._stdin_taken = False

    def ids(self, option: str, given: list[str] | None) -> bytes | str:
        """Return the ids that ``option`` was given, packed, or ``'*'``."""
        packed = bytearray()
        if self._every(option, given):
            return EVERY
        for batch in self._batches(option, given, _IDS):
            packed += batch
        return bytes(packed)

    def resources(self, option: str, given: list[str] | None) -> dict[str, ResourceIds | str]:
        """Return the ids of mapped resources, each given as NAME=X, by name."""
        sources: dict[str, list[str]] = {}
        for text in given or ():
            name, equals, source = text.partition("=")
            if equals:
                sources.setdefault(name.strip(), []).append(source)
            else:
                self.faults.append(f"{option}: {errors.shown(text)}: give NAME=X, the name first.")
        return {name: self._mapped(f"{option} {name}", some) for name, some in sources.items()}

    def _mapped(self, option: str, given: list[str]) -> ResourceIds | str:
        if self._every(option, given):
            return EVERY
        kind, packed = ANY, bytearray()
        for batch in self._batches(option, given, _RESOURCES):
            if kind not in (batch.kind, ANY):
                self.faults.append(f"{option}: ids are either whole numbers or UUIDs, not both.")
            kind = batch.kind
            packed += batch.packed
        return ResourceIds(kind, bytes(packed))

    def workspaces(self, option: str, given: list[str] | None) -> tuple[str, ...] | str:
        """Return the ids of workspaces that ``option`` was given, or ``'*'``."""
        names: list[str] = []
        if self._every(option, given):
            return EVERY
        for batch in self._batches(option, given, _WORKSPACES):
            names += batch
        return tuple(names)

    def _every(self, option: str, given: list[str] | None) -> bool:
        if given and EVERY in given and len(given) > 1:
            self.faults.append(f"{option}: '*' stands for all of them: give nothing else with it.")
        return given is not None and EVERY in given

    def _batches(
        self, option: str, given: list[str] | None, adapter: TypeAdapter[Any]
    ) -> Iterator[Any]:
        """Yield valid batches; stop when there are more errors than anybody reads."""
        limit = len(self.faults) + errors.MAX_FAULTS
        for source in given or ():
            for where, entries in self._entries(option, source):
                try:
                    yield adapter.validate_python([text for _, text in entries])
                except ValidationError as error:
                    self.faults += _worded(f"{option}: {where}", entries, error)
                if len(self.faults) > limit:
                    self.faults[limit:] = [f"{option}: there are more errors than these."]
                    return

    def _entries(self, option: str, source: str) -> Iterator[tuple[str, list[Entry]]]:
        if not source.startswith("@"):
            yield "item", [(at, item.strip()) for at, item in enumerate(source.split(","), 1)]
            return
        name = source[1:]
        kind = "workspaces" if option == "--workspace" else option.removeprefix("--")
        try:
            with self._open(option, name) as file:
                found = id_files.entries(file, kind, self._column)
                while some := list(islice(found, BATCH)):
                    yield f"{name}, line", some
        except (OSError, ValueError) as error:  # ValueError: of a name that no file can have, too
            reason = getattr(error, "strerror", None) or error
            self.faults.append(f"{option}: cannot read {errors.shown(name)}: {reason}.")

    def _open(self, option: str, name: str) -> IO[bytes]:
        if name == "-" and self._stdin_taken:
            self.faults.append(f"{option}: standard input (@-) can be read only once.")
            return BytesIO()
        self._stdin_taken |= name == "-"
        source = sys.stdin.fileno() if name == "-" else name
        return open(source, "rb", closefd=name != "-")  # the caller closes it


def _worded(where: str, entries: list[Entry], error: ValidationError) -> Iterator[str]:
    for detail in islice(error.errors(include_url=False), errors.MAX_FAULTS + 1):
        at, text = entries[int(detail["loc"][0])]
        yield f"{where} {at} {errors.shown(text)}: {detail['msg']}"
