"""The tables at rest. Those of ``tags``, and ``job``, are public; the rest is our bookkeeping."""

from tagsweep.worker.models.tables.columns import SCHEMA, metadata
from tagsweep.worker.models.tables.credentials import chunk_time, credential
from tagsweep.worker.models.tables.jobs import (
    alarm,
    chore,
    chunk,
    failure,
    job,
    part,
    removal,
    throttle,
    workspace_removal,
)
from tagsweep.worker.models.tables.messages import (
    attempt,
    callback,
    failover,
    feed,
    outbox,
    reply,
    set_aside,
)
from tagsweep.worker.models.tables.tags import (
    tag,
    tag_link,
    workspace,
    workspace_tag,
)

__all__ = [
    "SCHEMA",
    "alarm",
    "attempt",
    "callback",
    "chore",
    "chunk",
    "chunk_time",
    "credential",
    "failover",
    "failure",
    "feed",
    "job",
    "metadata",
    "outbox",
    "part",
    "removal",
    "reply",
    "set_aside",
    "tag",
    "tag_link",
    "throttle",
    "workspace",
    "workspace_removal",
    "workspace_tag",
]
