"""The filters of the audit: part of its address, as those of jobs are."""

from __future__ import annotations

from collections.abc import Mapping

from tagsweep.producer.gateway.auth.callers import Caller
from tagsweep.producer.gateway.console.presentation import filters
from tagsweep.producer.gateway.console.reading.audit import Wanted
from tagsweep.worker.audit.actions import ACTIONS
from tagsweep.worker.audit.entries import EntryFilter

CHOICES = {"action": ACTIONS}
NAMES = ("action", "by", "since", "tenant")


def wanted(given: Mapping[str, str], caller: Caller) -> Wanted:
    """Return which entries the filters name; raises Refusal (400, 403)."""
    tenant = filters.tenant_of(given, caller)
    filters.check(given, CHOICES)
    since = filters.time("since", given["since"]) if "since" in given else None
    return Wanted(EntryFilter(tenant, since), given.get("action"), given.get("by"))
