"""Small jobs of each kind: attach, delete and set next to detach."""

from __future__ import annotations

from statistics import median
from typing import Any

from benchmarks import ground, machine
from benchmarks.bench import Bench
from benchmarks.contenders import OURS
from benchmarks.ground import Ground
from benchmarks.parts.small import drain, published, staged, wait
from benchmarks.racing import Stage, Wrong
from benchmarks.results import Figure, Part, Table, shown, spread
from benchmarks.trickle import FEW, NEW_TAG
from benchmarks.work import Work

METHOD = (
    "Drained as small jobs are: the workers are warmed up, stopped while all jobs of one kind are "
    "sent, and timed from when they go on to the last event. A detach takes a tag off ten "
    "resources, an attach puts one on ten, a delete takes a key off ten workspaces, a set gives a "
    "key of ten workspaces another value. All that was to change is counted in the tables."
)
#: the names of the kinds, as the sender knows them
WAYS = {"detach": "job", "attach": "attach", "delete": "delete", "set": "set"}
#: how many items are left to do, or were done
COUNTS = {
    "attach": "SELECT count(*) FROM tagsweep.tag_link l JOIN tagsweep.tag t ON t.id = l.tag_id"
    " WHERE t.name = %s",
    "delete": "SELECT count(*) FROM tagsweep.workspace_tag WHERE key = %s",
    "set": "SELECT count(*) FROM tagsweep.workspace_tag WHERE value = %s",
}

_WORKSPACES = """
INSERT INTO tagsweep.workspace (tenant, id) SELECT %(tenant)s, unnest(%(ids)s::text[])
"""
_TAGS = """
INSERT INTO tagsweep.workspace_tag (tenant, workspace_id, key)
SELECT %(tenant)s, unnest(%(ids)s::text[]), %(key)s
"""


def measure(bench: Bench) -> Part:
    """Measure all kinds in turns."""
    template = bench.ground(ground.wide(bench.options.links))
    work = bench.work(template, "one")
    raw: dict[str, list[dict[str, Any]]] = {kind: [] for kind in WAYS}
    with bench.step("kinds", len(WAYS) * bench.options.runs) as step:
        for _ in range(bench.options.runs):
            for kind in WAYS:
                step(kind)
                raw[kind].append({"drained": _drained(bench, template, work, kind)})
    rates = {kind: [run["drained"] for run in runs] for kind, runs in raw.items()}
    detach = median(rates["detach"])
    ratios = {kind: median(rate) / detach for kind, rate in rates.items()}
    return Part(
        name="kinds",
        title=f"Small jobs of each kind: {bench.options.jobs:,} with {FEW} items each",
        command=machine.command("kinds", bench.options),
        method=METHOD,
        table=Table(
            ["kind", "drained per second", "of detach"],
            [[kind, spread(rate), shown(ratios[kind])] for kind, rate in rates.items()],
        ),
        figures=[
            Figure(f"{kind} drained, of detach", ratios[kind], ">=", 0.8)
            for kind in ("attach", "delete", "set")
        ],
        raw=raw,
        machine=machine.describe(bench.servers),
    )


def _drained(bench: Bench, template: Ground, work: Work, kind: str) -> float:
    """Return how many jobs of a kind were done in a second."""
    jobs, warm, what = bench.options.jobs, bench.options.warm, WAYS[kind]
    with staged(bench, template, OURS, work) as stage:
        if kind in ("delete", "set"):
            _tag_workspaces(stage, work, (warm + jobs) * FEW)
        stage.sender.ask("enqueue", what=what, times=warm)
        wait(lambda: published(stage) == warm)
        stage.warm()
        taken = drain(stage, what, jobs, lambda: published(stage) == warm + jobs)
        _check(stage, template, kind, warm + jobs)
    return jobs / taken


def _tag_workspaces(stage: Stage, work: Work, how_many: int) -> None:
    """Have workspaces that carry the tag, with the ids of the resources."""
    values = {"tenant": work.tenant, "ids": work.ids[:how_many], "key": NEW_TAG}
    stage.connection.execute(_WORKSPACES, values)
    stage.connection.execute(_TAGS, values)
    stage.connection.execute("ANALYZE tagsweep.workspace, tagsweep.workspace_tag")


def _check(stage: Stage, template: Ground, kind: str, jobs: int) -> None:
    """Raise Wrong unless each of so many jobs changed its ten items and told so once."""
    query = "SELECT count(*), sum(total) FROM tagsweep.job WHERE status = 'succeeded'"
    row = stage.connection.execute(query).fetchone() or ()
    if kind == "detach":
        links = sum(count for count, _ in ground.fingerprint(stage.connection).values())
        changed, expected = links, template.layout.links - jobs * FEW
    else:
        counted = stage.connection.execute(COUNTS[kind], (NEW_TAG,)).fetchone() or (None,)
        changed, expected = counted[0], 0 if kind == "delete" else jobs * FEW
    events = {event["id"] for event in stage.events()}
    if (*row, changed, len(events)) != (jobs, jobs * FEW, expected, jobs):
        raise Wrong(f"Small jobs of kind {kind} did not do what they should: {row}, {changed}.")
