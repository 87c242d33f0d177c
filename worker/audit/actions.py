"""What people do, in words that programs can rely on."""

from __future__ import annotations

from typing import Literal, get_args

#: that a job was asked for: these stand in the job itself
Creation = Literal["job.create", "job.preview", "job.run", "job.undo"]
#: what people do later, and to what is no job
Action = Literal[
    Creation,
    "job.cancel",
    "job.pause",
    "job.resume",
    "job.retry",
    "key.create",
    "key.rotate",
    "key.revoke",
    "key.reencrypt",
    "console.sign_in",
    "console.sign_in_failed",
    "console.sign_out",
    "tag.create",
    "tag.rename",
    "tag.delete",
    "webhook.create",
    "webhook.update",
    "webhook.delete",
    "webhook.rotate",
    "webhook.test",
    "webhook.redeliver",
]
ACTIONS: tuple[str, ...] = get_args(Action)
