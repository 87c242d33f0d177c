"""What a contender is told to do, on its way between processes."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from secrets import randbits
from typing import Any
from uuid import uuid4

from benchmarks.ground import LIST
from tagsweep.worker.models.ids import WIDTH, unpack
from tagsweep.worker.models.resources import number_of


@dataclass(frozen=True)
class Work:
    """Tags to take off resources.

    Args:
        tags: Name -> id of each tag.
        path: The file of the ids, 16 bytes each.
        mapped: The name of mapped resources, whose ids are numbers; None: our own, of one type.
    """

    tenant: str
    tags: dict[str, str]
    path: str
    mapped: str | None = None

    @cached_property
    def ids(self) -> list[Any]:
        """The ids as a caller has them."""
        packed = Path(self.path).read_bytes()
        if self.mapped is None:
            return list(unpack(packed))
        return [number_of(packed[at : at + WIDTH]) for at in range(0, len(packed), WIDTH)]

    def lists(self, ids: list[Any]) -> dict[str, Any]:
        """Return the list of these ids as a job has it."""
        return {LIST: ids} if self.mapped is None else {"resources": {self.mapped: ids}}

    @property
    def size(self) -> int:
        """How many ids there are; they are not read for that."""
        return Path(self.path).stat().st_size // WIDTH

    @property
    def names(self) -> list[str]:
        """The names of the tags."""
        return list(self.tags)

    @property
    def tag_ids(self) -> list[str]:
        """The ids of the tags."""
        return list(self.tags.values())

    def absent(self, how_many: int) -> Work:
        """Return the same work on ids that are on no resource: to warm up with."""
        work = replace(self)
        work.__dict__["ids"] = [
            str(uuid4()) if self.mapped is None else randbits(63) for _ in range(how_many)
        ]
        return work

    def save(self, path: Path) -> None:
        """Write it to a file."""
        path.write_text(json.dumps(asdict(self)))


def load(path: str) -> Work:
    """Return what was saved."""
    return Work(**json.loads(Path(path).read_text()))


def database_url() -> str:
    """Return the store of this run."""
    return os.environ["TAGSWEEP_DATABASE_URL"]


def broker_url() -> str:
    """Return the Redis of this run."""
    return os.environ["TAGSWEEP_BROKER_URL"]
