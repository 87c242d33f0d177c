"""The SQLite file that is measured on: built once, copied for every run."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import UUID

from benchmarks import processes
from benchmarks.ground import LIST_NUMBER, TENANT, Layout
from benchmarks.work import Work


class File:
    """A template of one layout."""

    def __init__(self, home: Path, layout: Layout) -> None:
        self.layout = layout
        self._path = home / "template.db"
        processes.finish(["-m", "tagsweep.producer.cli", "migrate"], database_url=_url(self._path))
        draw = random.Random(5)
        self._ids = [_random_id(draw) for _ in range(layout.resources)]
        self._tags = {name: _random_id(draw) for name in layout.spans}
        with closing(sqlite3.connect(self._path)) as connection:
            with connection:
                rows = [(one, TENANT, name) for name, one in self._tags.items()]
                connection.executemany("INSERT INTO tag (id, tenant, name) VALUES (?, ?, ?)", rows)
                fill = "INSERT INTO tag_link (tag_id, resource_type, resource_id) VALUES (?, ?, ?)"
                connection.executemany(fill, self._links())
            connection.execute("ANALYZE")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self.counts = counts(connection)

    def work(self, tag: str) -> Work:
        """Return the work to take a tag off all resources that carry it, in no order."""
        path = self._path.with_name(f"sqlite-{tag}")
        low, high = self.layout.spans[tag]
        path.write_bytes(b"".join(self._ids[low:high]))
        return Work(TENANT, {tag: str(UUID(bytes=self._tags[tag]))}, str(path))

    def copy(self) -> str:
        """Put a copy, the very same bytes each time, in place of the last one; return its URL."""
        path = self._path.with_name("run.db")
        for old in path.parent.glob("run.db*"):
            old.unlink()
        shutil.copyfile(self._path, path)
        with path.open("rb") as file:  # so that no run pays for writing out the copy
            os.fsync(file.fileno())
        return _url(path)

    def _links(self) -> Iterator[tuple[bytes, int, bytes]]:
        """Yield the rows in the order of the key, which is the order of the file."""
        for name, tag in sorted(self._tags.items(), key=lambda one: one[1]):
            low, high = self.layout.spans[name]
            for one in sorted(self._ids[low:high]):
                yield tag, LIST_NUMBER, one


def counts(connection: sqlite3.Connection) -> dict[str, int]:
    """Return how many links each tag has; of those that have any."""
    query = "SELECT name, count(*) FROM tag_link JOIN tag ON tag.id = tag_id GROUP BY name"
    return dict(connection.execute(query).fetchall())


def opened(url: str) -> sqlite3.Connection:
    """Return a connection to the file behind one of our URLs, each statement for itself."""
    return sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None, timeout=60)


def _url(path: Path) -> str:
    return f"sqlite:///{path}"


def _random_id(draw: random.Random) -> bytes:
    return UUID(int=draw.getrandbits(128), version=4).bytes
