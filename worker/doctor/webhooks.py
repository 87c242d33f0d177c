"""Checks of webhooks: that their secrets can be opened, that workers send them, who fails."""

from __future__ import annotations

from collections.abc import Iterator

from tagsweep.worker import database
from tagsweep.worker.doctor.findings import Finding
from tagsweep.worker.webhooks import endpoints, health, signing

#: seconds after which a delivery that nobody has tried is late
LATE_S = 60
#: webhooks that are named
MOST = 5

CLOSED = "The secrets of {count} of {all} webhooks cannot be opened: {why}"
KEY = "Give gateways and workers the TAGSWEEP_SECRET_KEY that they were encrypted with."
LATE = "{count:,} deliveries of webhooks wait untried for more than {seconds} s."
SEND = "Workers send them: start one with TAGSWEEP_SECRET_KEY set, or see the workers' log."
OFF = "{who} is switched off. {why}"
ON = "Mend its receiver, then `tagsweep webhooks enable {id}`; or delete it."
MORE = "More webhooks than these fail or are off."
LIST = "`tagsweep webhooks list` has all."
FAILING = "{who} has been failing since {since:%Y-%m-%d %H:%M} UTC. {why}"
MEND = "Mend its receiver: what waits is sent then. `tagsweep webhooks deliveries {id}` says more."


def findings() -> Iterator[Finding]:
    """Check every webhook; nothing is found where there is none."""
    with database.reading() as connection:
        kept = endpoints.sealed(connection)
        late = health.untried(connection, LATE_S)
        unwell = health.unwell(connection, MOST + 1)
    if not kept:
        return
    closed = [why for row in kept if (why := signing.why_closed(row.sealed_secret, row.id))]
    if closed:
        what = CLOSED.format(count=len(closed), all=len(kept), why=closed[0])
        yield Finding("webhooks", what, KEY)
    if late:
        yield Finding("webhooks", LATE.format(count=late, seconds=LATE_S), SEND)
    for row in unwell[:MOST]:
        who = f"Webhook {row.id} of {row.tenant}"
        why = row.off_reason or ""
        if row.off_at is not None:
            yield Finding("webhooks", OFF.format(who=who, why=why).strip(), ON.format(id=row.id))
        else:
            what = FAILING.format(who=who, since=row.failing_since, why=why).strip()
            yield Finding("webhooks", what, MEND.format(id=row.id))
    if len(unwell) > MOST:
        yield Finding("webhooks", MORE, LIST)
    if not closed and not late and not unwell:
        yield Finding("webhooks", "Their secrets can be opened, and none fails.")
