"""A merge of three large tags, next to the two statements that one would write for it."""

from __future__ import annotations

import time
from statistics import median
from typing import Any

import psycopg

from benchmarks import ground, machine, racing
from benchmarks.bench import Bench
from benchmarks.contenders import OURS
from benchmarks.ground import LIST_NUMBER, Ground, Layout
from benchmarks.racing import Wrong
from benchmarks.results import Figure, Part, Table, shown, spread
from benchmarks.work import Work

TAGS, INTO = ("old-0", "old-1", "old-2"), "merged"
#: of the limit
MOST = 1.5

METHOD = (
    "Three tags on a fifth of all links each, neighbours with half of their resources in common, "
    "become one that is new. The limit: INSERT … SELECT DISTINCT … ON CONFLICT DO NOTHING and "
    "DELETE, in one transaction of one connection, nothing recorded. Ours: a job from the call to "
    "its event, two workers. In turns, each on a copy of one store; after each, the links that "
    "are there are compared."
)
_INSERT = """
INSERT INTO tagsweep.tag_link (tag_id, resource_type, resource_id)
SELECT DISTINCT %(into)s::uuid, resource_type, resource_id FROM tagsweep.tag_link
WHERE tag_id = ANY (%(tags)s::uuid[]) AND resource_type = %(type)s
ON CONFLICT DO NOTHING
"""
_DELETE = """
DELETE FROM tagsweep.tag_link WHERE tag_id = ANY (%(tags)s::uuid[]) AND resource_type = %(type)s
"""
_NEW_TAG = "INSERT INTO tagsweep.tag (tenant, name) VALUES (%s, %s) RETURNING id"


def overlapping(links: int) -> Layout:
    """Return three tags on a fifth of ``links`` each, which overlap, and others that fill up."""
    fifth = links // 5
    spans = {name: (at * fifth // 2, at * fifth // 2 + fifth) for at, name in enumerate(TAGS)}
    spans |= {f"other-{at}": (0, fifth) for at in range(2)}
    return Layout("overlapping", 2 * fifth, spans)


def measure(bench: Bench) -> Part:
    """Merge by two statements and by a job, in turns."""
    template = bench.ground(overlapping(bench.options.links))
    work = bench.work(template, *TAGS)
    runs: dict[str, list[float]] = {"two statements": [], "tagsweep": []}
    with bench.step("merge", 2 * bench.options.runs) as step:
        for _ in range(bench.options.runs):
            step("two statements")
            runs["two statements"].append(_statements(template, work))
            step("tagsweep")
            runs["tagsweep"].append(_job(bench, template, work))
    taken = {name: median(found) for name, found in runs.items()}
    limit = taken["two statements"]
    rows = [[name, spread(found), shown(taken[name] / limit)] for name, found in runs.items()]
    return Part(
        name="merge",
        title=f"Merge of {len(TAGS)} tags on {template.layout.links // 5:,} resources each",
        command=machine.command("merge", bench.options),
        method=METHOD,
        table=Table(["way", "seconds: median [least to most]", "x limit"], rows),
        figures=[Figure("a merge's time, of the limit's", taken["tagsweep"] / limit, "<=", MOST)],
        raw={name: [{"seconds": one} for one in found] for name, found in runs.items()},
        machine=machine.describe(bench.servers),
    )


def _statements(template: Ground, work: Work) -> float:
    with template.copy() as url, psycopg.connect(url, options="-c jit=off") as connection:
        ground.warm(connection)
        connection.commit()
        begun = time.perf_counter()
        row = connection.execute(_NEW_TAG, (work.tenant, INTO)).fetchone()
        values: dict[str, Any] = {"into": row and row[0], "type": LIST_NUMBER}
        for statement in (_INSERT, _DELETE):
            connection.execute(statement, {**values, "tags": work.tag_ids})
        connection.commit()
        taken = time.perf_counter() - begun
        _check(connection, template)
    return taken


def _job(bench: Bench, template: Ground, work: Work) -> float:
    program = ("benchmarks.driver", "benchmarks.contenders.ours:Merge")
    with racing.staged(bench.servers, template, OURS, work, *program) as stage:
        stage.sender.ask("warm up")
        stage.warm()
        taken = float(stage.sender.ask("go")["seconds"])
        _check(stage.connection, template)
    return taken


def _check(connection: psycopg.Connection, template: Ground) -> None:
    """Raise Wrong unless the tags' links are all on the new one."""
    found = ground.fingerprint(connection)
    left = {name: one for name, one in template.fingerprint.items() if name not in TAGS}
    if found.pop(INTO, (0, 0))[0] != template.layout.resources or found != left:
        raise Wrong("After the merge the links are not what they should be.")
