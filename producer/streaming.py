"""A job too long for one message, sent to the broker in packed parts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

from tagsweep.worker.broker import names, results, sending
from tagsweep.worker.models.jobs import Job
from tagsweep.worker.models.parts import Part


def send(
    sender: Any,
    job_id: str,
    kind: type[Job],
    head: dict[str, Any],
    parts: Iterator[dict[str, Any]],
) -> None:
    """Send the job in ``parts``, the last of which is marked; raises BrokerUnavailable."""
    results.expect(sender, job_id)
    nonce = uuid4().hex
    count = 0
    held: dict[str, Any] | None = next(parts, {})
    while held is not None:
        following = next(parts, None)
        part = Part(
            job_id=UUID(job_id),
            nonce=nonce,
            number=count,
            parts=count + 1 if following is None else None,
            kind=kind.kind,
            head=head,
            **held,
        )
        # its result is the job's, not its own
        body = part.model_dump(mode="json")
        sending.send(sender, Part.task, body, queue=names.parts(), ignore_result=True)
        count, held = count + 1, following
