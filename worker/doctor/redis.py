"""Checks of a Redis and its sentinels, beyond whether it accepts messages."""

from __future__ import annotations

from collections.abc import Iterator

from tagsweep.worker import settings
from tagsweep.worker.broker.redis import sentinels
from tagsweep.worker.doctor.findings import Finding
from tagsweep.worker.events import redis_stream

SILENT = "Start it, or remove it from the URL: with too few sentinels there is no failover."
UNTRUSTED = (
    "Name the CA of its certificate by ssl_ca_certs=… in the URL; "
    "the certificate must name its host or address."
)


def of_sentinels(url: str) -> Iterator[Finding]:
    """Check that the sentinels of a URL answer and name the same master."""
    answers, name = sentinels.ask(url), settings.load().sentinel_master
    masters = sorted(set(answers.masters.values()))
    what = f"{len(answers.masters)} of {answers.number} sentinels name the master {name!r}"
    if len(masters) > 1:
        advice = "Wait for the failover; if that does not help, see the sentinels' logs."
        yield Finding("sentinels", f"{what}, but not all the same: {', '.join(masters)}.", advice)
    elif masters:
        yield Finding("sentinels", f"{what}: {masters[0]}.")
    for place, why in answers.silent.items():
        advice = UNTRUSTED if "certificate verify failed" in why else SILENT
        yield Finding("sentinels", f"{place} does not answer: {why.rstrip('.')}.", advice)
    for place, why in answers.refusing.items():
        what = f"{place} refuses: {why.rstrip('.')}."
        yield Finding("sentinels", what, "Correct TAGSWEEP_SENTINEL_PASSWORD.")
    for place in answers.unaware:
        advice = "Correct TAGSWEEP_SENTINEL_MASTER, or make it monitor that master."
        yield Finding("sentinels", f"{place} knows no master {name!r}.", advice)


def of_server(url: str) -> Iterator[Finding]:
    """Check how a broker persists its data; raises BrokerUnavailable."""
    kept = redis_stream.keeping(url)
    if kept["log"] == "no":
        snapshots = "only snapshots" if kept["snapshots"] == "yes" else "and no snapshots"
        what = f"It writes no log (appendonly), {snapshots}."
        advice = (
            "Set `appendonly yes`: a restart loses messages that no worker has recorded yet, and "
            "unread results. (Nothing in the store is lost.)"
        )
        yield Finding("broker", what, advice)
    if kept["limit"] != "0" and kept["policy"] != "noeviction":
        what = f"At its memory limit it drops data ({kept['policy']})."
        yield Finding("broker", what, "Set `maxmemory-policy noeviction`, or messages can be lost.")
    if kept["failed"]:
        what = f"It could not write its {kept['failed']}."
        yield Finding("broker", what, "See its log; often its disk is full or not writable.")
