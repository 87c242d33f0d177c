"""What ``detach`` and ``attach`` have in common: tags by name, resources in eight lists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tagsweep.producer.cli.input.id_lists import Reader
from tagsweep.producer.cli.input.job import build_job
from tagsweep.producer.cli.submission import submitting
from tagsweep.worker.models.jobs import Job


@dataclass(frozen=True, slots=True)
class Resources:
    """The lists of resources as typed."""

    types: Mapping[str, list[str] | None]  #: by the name of the type; None: not given
    mapped: list[str] | None
    column: str | None

    def read(self, reader: Reader) -> dict[str, Any]:
        """Return the lists of the eight types that were given, and those of a map."""
        lists: dict[str, Any] = {
            field: reader.ids(f"--{field}", values)
            for field, values in self.types.items()
            if values is not None
        }
        if self.mapped:
            lists["resources"] = reader.resources("--resources", self.mapped)
        return lists


def submit(
    model: type[Job], names: list[str], resources: Resources, *, wait: bool, **options: Any
) -> None:
    """Submit a job of ``model`` about the tags ``names``; raises typer.Exit and WrongUse."""
    reader = Reader(resources.column)
    body = {"names": names, **resources.read(reader), **options}
    typed = {"names": names, "unless": options.get("unless") or []}
    submitting.submit(build_job(model, body, reader, typed), wait=wait)
