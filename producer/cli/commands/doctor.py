"""``tagsweep doctor``: what is wrong with the installation, and what to do about it."""

from __future__ import annotations

from dataclasses import asdict

import typer

from tagsweep.producer.cli.exit_status import FAILED
from tagsweep.producer.cli.input.options import Json
from tagsweep.producer.cli.output import terminal
from tagsweep.worker.doctor import checks

app = typer.Typer(rich_markup_mode="rich", add_completion=False)


@app.command()
def doctor(*, as_json: Json = False) -> None:
    """Check store, broker, workers and jobs; exits 1 if something is wrong.

    Reads every link once, to find those from the future.
    """
    findings = list(checks.findings())
    wrong = [finding for finding in findings if finding.is_wrong]
    if as_json:
        shown = [{**asdict(finding), "ok": not finding.is_wrong} for finding in findings]
        terminal.document({"ok": not wrong, "findings": shown})
    else:
        for finding in findings:
            mark = "WRONG" if finding.is_wrong else "ok"
            terminal.write_line(f"{mark:<6} {finding.about:<9} {finding.what}")
            if finding.advice:
                terminal.write_line(f"{'':<16} -> {finding.advice}")
    raise typer.Exit(FAILED if wrong else 0)
