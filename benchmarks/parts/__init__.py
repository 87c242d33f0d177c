"""The parts, each of which can run alone: what it measures, and what is to be reached."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from benchmarks.bench import Bench
from benchmarks.parts import (
    beside,
    console,
    cost,
    gateway,
    growth,
    idle,
    kinds,
    merging,
    own_tables,
    removal,
    small,
    sqlite,
    undoing,
)
from benchmarks.results import Part

ALL: Mapping[str, Callable[[Bench], Part]] = {
    "one-tag": removal.one_tag,
    "ten-tags": removal.ten_tags,
    "small": small.measure,
    "kinds": kinds.measure,
    "idle": idle.measure,
    "growth": growth.measure,
    "cost": cost.measure,
    "beside": beside.measure,
    "sqlite": sqlite.measure,
    "gateway": gateway.measure,
    "console": console.measure,
    "undo": undoing.undo,
    "keep": undoing.keep,
    "merge": merging.measure,
    "own-tables": own_tables.measure,
}
