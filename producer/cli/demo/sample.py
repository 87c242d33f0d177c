"""A small data set to try things on: what ``tagsweep up --sample`` fills an empty store with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from uuid import UUID, uuid5

from tagsweep.producer.gateway.openapi.examples import SOURCE, TABLE

#: the ids are the same each time, so that what documents show can be tried
_SPACE = UUID("4a4c2f8e-0d2b-4f6e-9a53-6d0f8f1f2c11")
#: tags, and how many of the first resources of each type carry them
TAGS = {
    "legacy": {"tables": 1_200, "folders": 100, "sources": 20},
    "pii": {"tables": 300, "folders": 10, "sources": 40},
    "reviewed": {"visualizations": 60, "tables": 50},
}
#: the first resource of its type, where examples name one
FIRST = {"sources": SOURCE, "tables": TABLE}
WORKSPACES = 20
OWNERS = ("revops", "finance", "data-platform")


def lines(tenant: str) -> Iterator[bytes]:
    """Yield the data set as ``tagsweep load`` takes it."""
    for name, counts in TAGS.items():
        lists = {kind: _ids(kind, count) for kind, count in counts.items()}
        yield _line({"tenant": tenant, "name": name, **lists})
    for number in range(1, WORKSPACES + 1):
        values = {"env": "dev" if number % 2 else "production", "owner": OWNERS[number % 3]}
        tags = [{"key": key, "value": value} for key, value in values.items()]
        yield _line({"tenant": tenant, "workspace": f"w-{number}", "tags": tags})


def _ids(kind: str, count: int) -> list[str]:
    ids = [str(uuid5(_SPACE, f"{kind} {number}")) for number in range(count)]
    return [FIRST.get(kind, ids[0]), *ids[1:]]


def _line(entry: dict[str, object]) -> bytes:
    return json.dumps(entry).encode()
