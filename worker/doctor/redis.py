"""What is wrong with a Redis and its sentinels, though it takes messages."""

from __future__ import annotations

from collections.abc import Iterator

from tagsweep.worker import settings
from tagsweep.worker.broker.redis import sentinels
from tagsweep.worker.doctor.findings import Finding
from tagsweep.worker.events import redis_stream

SILENT = "Start it, or take it out of the URL: with too few, no failover comes about."
UNTRUSTED = (
    "Name who signed its certificate by ssl_ca_certs=… in the URL; "
    "it must bear its host or address."
)


def of_sentinels(url: str) -> Iterator[Finding]:
    """Look at the sentinels of a URL: whether they answer, and name one master."""
    told, name = sentinels.ask(url), settings.load().sentinel_master
    masters = sorted(set(told.masters.values()))
    what = f"{len(told.masters)} of {told.number} sentinels name the master {name!r}"
    if len(masters) > 1:
        advice = "Wait for the failover; if it stays so, see the logs of the sentinels."
        yield Finding("sentinels", f"{what}, not all the same: {', '.join(masters)}.", advice)
    elif masters:
        yield Finding("sentinels", f"{what}: {masters[0]}.")
    for place, why in told.silent.items():
        advice = UNTRUSTED if "certificate verify failed" in why else SILENT
        yield Finding("sentinels", f"{place} does not answer: {why.rstrip('.')}.", advice)
    for place, why in told.refusing.items():
        what = f"{place} refuses: {why.rstrip('.')}."
        yield Finding("sentinels", what, "Correct TAGSWEEP_SENTINEL_PASSWORD.")
    for place in told.unaware:
        advice = "Correct TAGSWEEP_SENTINEL_MASTER, or let it watch that master."
        yield Finding("sentinels", f"{place} knows no master {name!r}.", advice)


def of_server(url: str) -> Iterator[Finding]:
    """Look at how a broker keeps its data; raises BrokerUnavailable."""
    kept = redis_stream.keeping(url)
    if kept["log"] == "no":
        snapshots = "only snapshots" if kept["snapshots"] == "yes" else "and no snapshots"
        what = f"It writes no log (appendonly), {snapshots}."
        advice = (
            "Set `appendonly yes`: with a restart, messages that no worker has recorded yet "
            "are lost, and unread results. (What the store knows is not.)"
        )
        yield Finding("broker", what, advice)
    if kept["limit"] != "0" and kept["policy"] != "noeviction":
        what = f"At its limit of memory it drops data ({kept['policy']})."
        yield Finding("broker", what, "Set `maxmemory-policy noeviction`: messages can vanish.")
    if kept["failed"]:
        what = f"It could not write its {kept['failed']}."
        yield Finding("broker", what, "See its log; often its disk is full or not writable.")
