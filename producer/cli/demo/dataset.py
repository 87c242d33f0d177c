"""The data of the demonstration: a believable data set, the same each time."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tagsweep.worker.models.ids import RESOURCE_TYPES

CATALOGUE = "catalogue.ndjson"
LEGACY_TABLES = "legacy-tables.txt"
PII_TABLES = "pii-tables.txt"
WORKSPACES = "workspaces.txt"

ORGANIZATION, PROJECT = "acme", "p-4711"

#: the ids of the detach contract's examples
SOURCE = "d2c1b472-902c-477a-b300-e7c3fd72609b"
OTHER_SOURCE = "f3e4d5c6-b7a8-49e0-1f2a-3b4c5d6e7f80"
TRANSFORMATION = "a7b4f0d2-5c91-4e34-9c1f-7e3a5f1c9d02"
OTHER_TRANSFORMATION = "b8c5e1e3-6d02-4f45-ad20-8f4b6e2d0e13"
DESTINATION = "e4d5c6b7-a8b9-40c1-d2e3-f4a5b6c7d8e9"

#: tags, and how many of the first resources of each type carry them
TAGS = {
    "legacy": {"tables": 150_000, "volumes": 4_000, "folders": 2_000},
    "pii": {"tables": 120_000, "sources": 1_500, "layers": 300},
    "marketing": {"visualizations": 3_000, "destinations": 800, "sources": 400},
    "weekly-refresh": {"transformations": 12_000, "tables": 20_000},
    "owned-by-revops": {"visualizations": 6_000, "transformations": 5_000, "folders": 500},
    "production": {"tables": 30_000, **dict.fromkeys(RESOURCE_TYPES[:5], 1_000)},
}
#: links of the detach contract's examples
EXAMPLES: dict[str, dict[str, list[str]]] = {
    "marketing": {"sources": [SOURCE]},
    "weekly-refresh": {"transformations": [TRANSFORMATION]},
    "owned-by-revops": {"transformations": [TRANSFORMATION]},
    "production": {
        "sources": [SOURCE, OTHER_SOURCE],
        "transformations": [TRANSFORMATION, OTHER_TRANSFORMATION],
        "destinations": [DESTINATION],
    },
}
#: tables that a tag is to be removed from: more than carry it, as is usual
LEGACY_ASKED, PII_ASKED = 160_000, 120_000
WORKSPACE_COUNT = 400


def build(folder: Path) -> None:
    """Write the files of the data set into ``folder``."""
    chance = random.Random(1)  # noqa: S311  # the same data each time is the point
    counts = {kind: max(tag.get(kind, 0) for tag in TAGS.values()) for kind in RESOURCE_TYPES}
    counts["tables"] = LEGACY_ASKED
    resources = {kind: [_id(chance) for _ in range(count)] for kind, count in counts.items()}
    with (folder / CATALOGUE).open("w") as file:
        for line in (*_tags(resources), *_workspaces(chance)):
            file.write(json.dumps(line) + "\n")
    _write(folder / LEGACY_TABLES, resources["tables"])
    _write(folder / PII_TABLES, resources["tables"][:PII_ASKED])
    _write(folder / WORKSPACES, [_workspace(number) for number in range(WORKSPACE_COUNT)])


def _tags(resources: dict[str, list[str]]) -> Iterator[dict[str, Any]]:
    for name, counts in TAGS.items():
        examples = EXAMPLES.get(name, {})
        kinds = sorted({*counts, *examples})
        lists = {
            kind: resources[kind][: counts.get(kind, 0)] + examples.get(kind, []) for kind in kinds
        }
        yield {"tenant": ORGANIZATION, "name": name, **lists}


def _workspaces(chance: random.Random) -> Iterator[dict[str, Any]]:
    for number in range(WORKSPACE_COUNT):
        values = {
            "env": "dev" if number % 2 else "production",
            "owner": chance.choice(["revops", "finance", "data-platform"]),
            "cost-center": str(chance.randint(100, 120)),
        }
        if not number:
            values["key1"] = "value1"  # the example of the batch delete contract
        system = {"key1": "value1"} if not number else {"created-by": "provisioner"}
        yield {
            "tenant": PROJECT,
            "workspace": _workspace(number),
            "tags": [{"key": key, "value": value} for key, value in values.items()],
            "sys_tags": [{"key": key, "value": value} for key, value in system.items()],
        }


def _workspace(number: int) -> str:
    return f"ws-{number:03}"


def _id(chance: random.Random) -> str:
    digits = chance.randbytes(16).hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _write(path: Path, ids: list[str]) -> None:
    path.write_text("\n".join(ids) + "\n")
