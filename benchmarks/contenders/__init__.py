"""Whoever is measured: each a module with what its own documentation would have one write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

HERE = "benchmarks.contenders"
QUIET = ("--concurrency", "2", "--loglevel", "WARNING")


@dataclass(frozen=True)
class Contender:
    """How one is called and run.

    Args:
        title: What a table calls it.
        module: Where its ``Run`` is.
        workers: The arguments of Python for each of its background processes.
    """

    title: str
    module: str
    workers: tuple[tuple[str, ...], ...] = ()


def _celery(app: str) -> tuple[tuple[str, ...], ...]:
    return (("-m", "celery", "-A", app, "worker", *QUIET),)


OURS = Contender("tagsweep", f"{HERE}.ours", _celery("worker"))

ALL: Mapping[str, Contender] = {
    "limit": Contender("limit: one set-based DELETE", f"{HERE}.limit"),
    "ours": OURS,
}
