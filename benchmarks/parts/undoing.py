"""What an undo takes beside the job that it undoes, and what it costs that each could be undone."""

from __future__ import annotations

import time
from itertools import pairwise
from statistics import median
from typing import Any

import psycopg

from benchmarks import ground, machine, racing
from benchmarks.bench import Bench
from benchmarks.contenders import OURS, links
from benchmarks.contenders.ours import STEPS
from benchmarks.ground import LIST_NUMBER, Ground
from benchmarks.racing import Wrong
from benchmarks.results import Figure, Part, Table, shown, spread
from benchmarks.work import Work
from tagsweep.worker import settings

#: each on a fiftieth of all links: 300,000 of 5,000,000 in all
TAGS = ("ten-0", "ten-1", "ten-2")

METHOD_UNDO = (
    "One job after the other on one copy of the store, each from the call to its event: a detach "
    "of links that are there, the undo of it, the undo of that undo (which takes off again), and "
    "an attach of the same. After each, the links that are there are compared: their number "
    "by tag, and a sum over their ids."
)
METHOD_KEEP = (
    "Our statement for a chunk, and the same without the record of what it removed, in turns (A B "
    "B A), one connection, a commit each; the first fifth of the chunks, in which nearly every "
    "page of the table goes into the log whole, is left out. Seconds are those of the statements "
    "and their commits; log is how far the write-ahead log moved on meanwhile."
)
_PLAIN = links.TUNED.format("= %(tags)s")
_RECORDED = f"""
WITH changed AS ({_PLAIN} RETURNING resource_id)
INSERT INTO tagsweep.removal (job_id, chunk, run, tag_id, resource_type, ids)
SELECT gen_random_uuid(), 0, 0, %(tags)s, %(resource_type)s,
       array_agg(resource_id ORDER BY resource_id)
FROM changed HAVING count(*) > 0
"""
#: the share of the chunks that comes first and is not measured: each page goes into the log whole
#: once, in whichever chunk comes to it first
UNMEASURED = 0.2


def undo(bench: Bench) -> Part:
    """Detach, undo, undo that, attach: one after the other on one copy."""
    template = bench.ground(ground.wide(bench.options.links))
    work = bench.work(template, *TAGS)
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in STEPS}
    with bench.step("undo", bench.options.runs) as step:
        for at in range(bench.options.runs):
            step(f"run {at + 1}")
            for name, measured in _one_after_the_other(bench, template, work).items():
                runs[name].append(measured)
    taken = {name: median(run["seconds"] for run in found) for name, found in runs.items()}
    rows = [
        [name, spread([run["seconds"] for run in found]), shown(taken[name] / taken["detach"])]
        for name, found in runs.items()
    ]
    return Part(
        name="undo",
        title=f"Undo of a job on {work.size * len(TAGS):,} links",
        command=machine.command("undo", bench.options),
        method=METHOD_UNDO,
        table=Table(["job", "seconds: median [least to most]", "x detach"], rows),
        figures=[],
        raw=dict(runs),
        machine=machine.describe(bench.servers),
    )


def _one_after_the_other(bench: Bench, template: Ground, work: Work) -> dict[str, dict[str, Any]]:
    program = ("benchmarks.driver", "benchmarks.contenders.ours:Undo")
    measured: dict[str, dict[str, Any]] = {}
    without = {name: one for name, one in template.fingerprint.items() if name not in TAGS}
    with racing.staged(bench.servers, template, OURS, work, *program) as stage:
        stage.sender.ask("warm up")
        stage.warm()
        for name in STEPS:
            measured[name] = stage.sender.ask("go")
            expected = template.fingerprint if name in {"undo", "attach"} else without
            if ground.fingerprint(stage.connection) != expected:
                raise Wrong(f"After the {name} the links are not what they should be.")
    return measured


def keep(bench: Bench) -> Part:
    """Remove with the record of what went, and without, chunk by chunk in turns."""
    template = bench.ground(ground.wide(bench.options.links))
    work = bench.work(template, "one")
    runs: dict[str, list[dict[str, Any]]] = {"with the record": [], "without": []}
    with bench.step("keep", bench.options.runs) as step:
        for at in range(bench.options.runs):
            step(f"run {at + 1}")
            with template.copy() as url, _connected(url) as connection:
                ground.warm(connection)
                for name, measured in _in_turns(connection, work).items():
                    runs[name].append(measured)
    return _kept(bench, runs)


def _in_turns(connection: psycopg.Connection, work: Work) -> dict[str, dict[str, Any]]:
    ids, size = sorted(work.ids), settings.load().chunk_size
    ways = {"with the record": _RECORDED, "without": _PLAIN}
    used = {name: {"seconds": 0.0, "wal_mb": 0.0, "ids": 0} for name in ways}
    bounds = [*range(0, len(ids), size), len(ids)]
    first = int(len(bounds) * UNMEASURED)
    for at, (start, end) in enumerate(pairwise(bounds)):
        name = list(ways)[(at + at // 2) % 2 if at >= first else 1]
        some = ids[start:end]
        values = {"ids": some, "tags": work.tag_ids[0], "low": some[0], "high": some[-1]}
        log, begun = _log(connection), time.perf_counter()
        connection.execute(ways[name], {**values, "resource_type": LIST_NUMBER})
        if at < first:
            continue
        used[name]["seconds"] += time.perf_counter() - begun
        used[name]["wal_mb"] += _log(connection) - log
        used[name]["ids"] += len(some)
    row = connection.execute("SELECT pg_total_relation_size('removal')").fetchone()
    used["with the record"]["bytes"] = int(row[0]) if row else 0
    return used


def _connected(url: str) -> psycopg.Connection:
    return psycopg.connect(url, autocommit=True, options=links.PLANNED)


def _log(connection: psycopg.Connection) -> float:
    row = connection.execute("SELECT pg_current_wal_lsn() - '0/0'").fetchone()
    return float(row[0]) / 2**20 if row else 0.0


def _kept(bench: Bench, runs: dict[str, list[dict[str, Any]]]) -> Part:
    def each(name: str, what: str) -> list[float]:
        return [run[what] / run["ids"] * 1e6 for run in runs[name]]

    size = [run["bytes"] / run["ids"] for run in runs["with the record"]]
    kept = {"with the record": spread(size), "without": "0"}
    rows = [
        [name, spread(each(name, "seconds")), spread(each(name, "wal_mb")), kept[name]]
        for name in runs
    ]
    added = [
        (a - b) / b * 100
        for a, b in zip(each("with the record", "seconds"), each("without", "seconds"), strict=True)
    ]
    return Part(
        name="keep",
        title="What it costs to keep what was removed",
        command=machine.command("keep", bench.options),
        method=METHOD_KEEP,
        table=Table(
            ["way", "seconds per million", "MB of log per million", "bytes kept a link"], rows
        ),
        figures=[
            Figure(
                "time that the record adds to the statement", median(added), "<=", 15, None, "%"
            ),
        ],
        raw=dict(runs),
        machine=machine.describe(bench.servers),
    )
