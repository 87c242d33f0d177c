"""``tagsweep doctor``: what is wrong with the installation, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from itertools import chain

import typer

from tagsweep.producer.cli.backends import choosing
from tagsweep.producer.cli.exit_status import FAILED
from tagsweep.producer.cli.output import forms
from tagsweep.worker import settings
from tagsweep.worker.doctor.findings import Finding
from tagsweep.worker.errors import TagsweepError
from tagsweep.worker.settings import database_url

app = typer.Typer(rich_markup_mode="rich", add_completion=False)


@app.command()
def doctor() -> None:
    """Check what commands use: store, broker, workers and jobs, or a gateway.

    Exits 1 if something is wrong. Reads every link once, to find those from the future.
    """
    target, found = _target()
    findings = list(found)
    wrong = [finding for finding in findings if finding.is_wrong]
    shown = [{**asdict(finding), "ok": not finding.is_wrong} for finding in findings]
    document = {"ok": not wrong, "target": target, "findings": shown}
    forms.show(document, _lines(target, findings), rows=shown)
    raise typer.Exit(FAILED if wrong else 0)


def _lines(target: str, findings: list[Finding]) -> Iterator[str]:
    yield f"Checked: {target}"
    for finding in findings:
        mark = "WRONG" if finding.is_wrong else "ok"
        yield f"{mark:<6} {finding.about:<9} {finding.what}"
        if finding.advice:
            yield f"{'':<16} -> {finding.advice}"


def _target() -> tuple[str, Iterator[Finding]]:
    """Return what commands use, with where that is set, and the checks of it."""
    if (client := choosing.gateway()) is not None:
        from tagsweep.producer.cli.backends import gateway_doctor

        where = f"the gateway at {client.url} ({settings.origin('url')})"
        return where, gateway_doctor.findings(client)
    from tagsweep.worker.doctor import checks

    found = settings.load()
    store = f"the store at {database_url.described(found.database_url)}"
    broker = f"the broker at {settings.masked(found.broker_url)}"
    names = (settings.origin(name) for name in ("database_url", "broker_url"))
    both = chain(checks.findings(), _keys())
    return "{0} ({2}), {1} ({3})".format(store, broker, *names), both


def _keys() -> Iterator[Finding]:
    """Check that the signing secrets can be read, where a gateway could run."""
    try:
        from tagsweep.producer.cli.backends import kept
        from tagsweep.producer.gateway.auth import signing
    except ModuleNotFoundError:  # no gateway runs here
        return
    with suppress(TagsweepError):  # told by the checks of the store
        kept.use_secret_key()
        if unusable := signing.unusable():
            advice = (
                "Add that key to TAGSWEEP_SECRET_KEY, after a comma, or create new credentials."
            )
            yield Finding("keys", unusable, advice)
        elif count := signing.outdated():
            what = f"{count:,} signing secrets are encrypted with an older TAGSWEEP_SECRET_KEY: "
            yield Finding("keys", f"{what}`tagsweep keys reencrypt` encrypts them with the first.")
