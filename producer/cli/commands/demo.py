"""``tagsweep demo``: everything at work, without any server, in commands anybody can type."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from tagsweep.producer.cli.demo import dataset
from tagsweep.producer.cli.demo.session import Session
from tagsweep.producer.cli.exit_status import FAILED
from tagsweep.producer.cli.output import result, tables, terminal
from tagsweep.worker import extras

app = typer.Typer(rich_markup_mode="rich", add_completion=False)

ACME = ("--tenant", dataset.ORGANIZATION)
PROJECT = ("--tenant", dataset.PROJECT)

#: what each event must report: kind, total, removed, tags
Expected = tuple[str, int, int, tuple[str, ...]]
EXPECTED: set[Expected] = {
    ("detach", 1, 1, ("marketing",)),
    ("detach", 2, 2, ("weekly-refresh", "owned-by-revops")),
    ("detach", 5, 5, ("production",)),
    ("delete", 2, 2, ("key1=value1 (1 workspace)", "key1=value1 (1 workspace, system)")),
    ("detach", dataset.LEGACY_ASKED, 150_000, ("legacy",)),
    ("detach", dataset.PII_ASKED, 120_000, ("pii",)),
    ("delete", dataset.WORKSPACE_COUNT, 200, ("env=dev (200 workspaces)",)),
}


@app.command()
def demo(
    *,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep its folder, to look around in.")
    ] = False,
) -> None:
    """See it all work in half a minute, without any server."""
    extras.check("worker")  # once: each of its commands would miss it
    started = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="tagsweep-demo-"))
    session = Session(folder)
    try:
        _load(session, folder)
        _examples(session)
        _clean_up(session)
        _interrupted(session)
        events = _look_back(session)
        _compare(session, events)
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
    _sum_up(session, time.monotonic() - started, folder if keep else None)


def _load(session: Session, folder: Path) -> None:
    dataset.build(folder)
    session.remark(
        "Resources of eight types carry tags; workspaces carry key/value tags.",
        "Load an organization's tags, and a project's, into tagsweep.db, right here.",
    )
    session.run("load", dataset.CATALOGUE)


def _examples(session: Session) -> None:
    session.remark("Take one tag off a single source.")
    session.run("detach", *ACME, "--name", "marketing", "--sources", dataset.SOURCE)
    session.remark("Several tags off one transformation.")
    names = ("--name", "weekly-refresh", "--name", "owned-by-revops")
    session.run("detach", *ACME, *names, "--transformations", dataset.TRANSFORMATION)
    session.remark("One tag off sources, transformations and destinations.")
    lists = {
        "--sources": (dataset.SOURCE, dataset.OTHER_SOURCE),
        "--transformations": (dataset.TRANSFORMATION, dataset.OTHER_TRANSFORMATION),
        "--destinations": (dataset.DESTINATION,),
    }
    options = [word for option, ids in lists.items() for word in (option, ",".join(ids))]
    session.run("detach", *ACME, "--name", "production", *options)
    session.remark("Delete a tag and a system tag, by key and value, from a workspace.")
    tags = ("--tag", "key1=value1", "--sys-tag", "key1=value1")
    session.run("delete", *PROJECT, "--workspace", "ws-000", *tags)


def _clean_up(session: Session) -> None:
    session.remark(
        f"The job it is made for: a tag off {dataset.LEGACY_ASKED:,} tables. The job is split into",
        "chunks, one transaction each. What is not there counts as absent, which is a success.",
    )
    session.run("detach", *ACME, "--name", "legacy", "--tables", f"@{dataset.LEGACY_TABLES}")


def _interrupted(session: Session) -> None:
    session.remark(
        "A job that nobody waits for is only recorded, as is one whose command was killed."
    )
    tables = f"@{dataset.PII_TABLES}"
    session.run("detach", *ACME, "--name", "pii", "--tables", tables, "--no-wait")
    session.remark("The next command that runs a worker does it too, whatever its own job is.")
    workspaces = f"@{dataset.WORKSPACES}"
    session.run("delete", *PROJECT, "--workspace", workspaces, "--tag", "env=dev")


def _look_back(session: Session) -> list[dict[str, Any]]:
    session.remark("What was asked for, and how it ended.")
    session.run("jobs", "list")
    session.remark(
        "Each job that ended published one event (CloudEvents 1.0, JSON), here as a table,",
        "the first one in full. With a broker they also go to a Redis stream or AMQP exchange.",
    )
    events = [json.loads(line) for line in session.read("events").splitlines()]
    head = ["EVENT", "TENANT", "STATUS", "TOTAL", "REMOVED", "ABSENT", "TAGS"]
    terminal.write_lines(tables.lines(head, [_row(event) for event in events]))
    for event in events[:1]:
        terminal.document(event)
    return events


def _row(event: dict[str, Any]) -> list[str]:
    data = event["data"]
    numbers = [f"{data['counts'][name]:,}" for name in ("total", "removed", "absent")]
    tags = ", ".join(result.tag(tag).partition(" (")[0] for tag in data["tags"])
    return [event["type"], data["tenant"], data["status"], *numbers, tags]


def _compare(session: Session, events: list[dict[str, Any]]) -> None:
    """Record as a failure what is not as expected."""
    for event in events:
        if event["data"]["status"] != "succeeded":
            session.failures.append(f"job {event['subject']} ended {event['data']['status']}")
    reported = [_reported(event["data"]) for event in events]
    missing = EXPECTED - {*reported}
    session.failures += [f"no event reports {expected}" for expected in missing]
    if len(reported) != len(EXPECTED):
        session.failures.append(f"{len(reported)} events instead of {len(EXPECTED)}")


def _reported(data: dict[str, Any]) -> Expected:
    tags = tuple(result.tag(tag) for tag in data["tags"])
    return data["kind"], data["counts"]["total"], data["counts"]["removed"], tags


def _sum_up(session: Session, seconds: float, folder: Path | None) -> None:
    if session.failures:
        for failure in session.failures:
            terminal.say(f"tagsweep: the demonstration failed: {failure}.")
        raise typer.Exit(FAILED)
    session.remark(
        f"Shown in {seconds:.0f} s, every number checked: a bulk load, the requests of both APIs,",
        "a big clean-up, a job left behind and finished, the jobs, their completion events. Next:",
        f"  cd {folder}"
        if folder
        else "  tagsweep demo --keep   keep its folder, to continue in it",
        "  tagsweep --help        every command, with examples",
        "  tagsweep worker        finish within two seconds what other commands record there",
        "With TAGSWEEP_DATABASE_URL=postgresql://... and TAGSWEEP_BROKER_URL=redis://... the same",
        "commands use servers, with as many workers as you like.",
    )
