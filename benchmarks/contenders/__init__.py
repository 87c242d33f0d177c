"""Whoever is measured: each a module with what its own documentation would have one write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

HERE = "benchmarks.contenders"
QUIET = ("--concurrency", "2", "--loglevel", "WARNING")


@dataclass(frozen=True)
class Contender:
    """How one is called and run.

    Args:
        title: What a table calls it.
        run: Module and class of what sends the work.
        workers: The arguments of Python for each of its background processes.
        setup: Those of what has to be done before these start.
        settings: What the workers are told beside store and broker.
    """

    title: str
    run: str
    workers: tuple[tuple[str, ...], ...] = ()
    setup: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)


def _celery(app: str) -> tuple[tuple[str, ...], ...]:
    return (("-m", "celery", "-A", app, "worker", *QUIET),)


OURS = Contender("tagsweep", f"{HERE}.ours:Run", _celery("tagsweep"))
#: the same on tables that are mapped
MAPPED = replace(
    OURS,
    title="tagsweep, mapped tables",
    settings={"map": str(Path(__file__).with_name("mapped.toml"))},
)
#: the same started by its own command: two Celery workers, one of them for small jobs
COMMAND = Contender(
    "tagsweep worker", f"{HERE}.ours:Run", (("-m", "tagsweep.producer.cli", "worker", *QUIET),)
)
NOBODY = Contender("nobody", "")
NOOP = Contender("Celery's no-op task", "", _celery(f"{HERE}.noop"))

_CHORD = _celery(f"{HERE}.chord")
_ACTORS = (("-m", "dramatiq", f"{HERE}.actors", "--processes", "2", "--threads", "1"),)
_ROWS = ("-m", "procrastinate", f"--app={HERE}.rows.app")

ALL: Mapping[str, Contender] = {
    "limit": Contender("limit: one set-based DELETE", f"{HERE}.limit:Run"),
    "ours": OURS,
    "select": Contender(
        'tagsweep, "*" in place of ids', f"{HERE}.ours:Select", _celery("tagsweep")
    ),
    "tuned-dramatiq": Contender("Dramatiq, tuned", f"{HERE}.actors:Tuned", _ACTORS),
    "tuned-chord": Contender("Celery chord, tuned", f"{HERE}.chord:Tuned", _CHORD),
    "dramatiq": Contender("Dramatiq group", f"{HERE}.actors:Run", _ACTORS),
    "chord": Contender("Celery chord", f"{HERE}.chord:Run", _CHORD),
    "procrastinate": Contender(
        "Procrastinate",
        f"{HERE}.rows:Run",
        workers=((*_ROWS, "worker", "--concurrency", "1"),) * 2,
        setup=(*_ROWS, "schema", "--apply"),
    ),
    "script": Contender("script: executemany", f"{HERE}.script:Run"),
}
