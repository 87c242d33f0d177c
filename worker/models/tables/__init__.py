"""The tables, with the column types and SQL functions that statements on them need.

Those in ``tags``, and ``job``, are public; the others are internal.
"""

from tagsweep.worker.models.tables.activity import heartbeat, throughput
from tagsweep.worker.models.tables.audit import audit_entry
from tagsweep.worker.models.tables.columns import SCHEMA, metadata
from tagsweep.worker.models.tables.credentials import (
    chunk_time,
    console_session,
    credential,
    sign_in_link,
)
from tagsweep.worker.models.tables.jobs import (
    alarm,
    chore,
    chunk,
    failure,
    job,
    lease,
    link_change,
    part,
    throttle,
    workspace_tag_change,
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
from tagsweep.worker.models.tables.types import (
    Id,
    Moment,
    Number,
    PackedIds,
    PackedNumbers,
    ago,
    clock,
)
from tagsweep.worker.models.tables.webhooks import delivery, webhook

__all__ = [
    "SCHEMA",
    "Id",
    "Moment",
    "Number",
    "PackedIds",
    "PackedNumbers",
    "ago",
    "alarm",
    "attempt",
    "audit_entry",
    "callback",
    "chore",
    "chunk",
    "chunk_time",
    "clock",
    "console_session",
    "credential",
    "delivery",
    "failover",
    "failure",
    "feed",
    "heartbeat",
    "job",
    "lease",
    "link_change",
    "metadata",
    "outbox",
    "part",
    "reply",
    "set_aside",
    "sign_in_link",
    "tag",
    "tag_link",
    "throttle",
    "throughput",
    "webhook",
    "workspace",
    "workspace_tag",
    "workspace_tag_change",
]
