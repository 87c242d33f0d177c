"""Send a job to the broker: as one message that anybody can read, or in packed parts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

from pydantic import ValidationError

from tagsweep.producer.spool import MAX_ERRORS
from tagsweep.worker.broker import names, results, sending
from tagsweep.worker.errors import InvalidJob
from tagsweep.worker.models.jobs import Job
from tagsweep.worker.models.parts import Part
from tagsweep.worker.models.requester import Requester


def check(kind: type[Job], body: dict[str, Any]) -> None:
    """Raise InvalidJob, with at most MAX_ERRORS errors, if ``body`` is not a valid job."""
    try:
        kind.parse(body)
    except InvalidJob as invalid:
        raise InvalidJob(invalid.errors[:MAX_ERRORS]) from None


def requester(name: str | None) -> dict[str, Any]:
    """Return what every message of a Python program says of who sends it; raises InvalidJob."""
    try:
        said = Requester(name=name, door="python")
    except ValidationError as error:
        reason = error.errors(include_url=False)[0]["msg"]
        raise InvalidJob([{"path": "/requested_by", "code": "invalid", "reason": reason}]) from None
    return {"requested_by": said.model_dump(exclude_defaults=True)}


def send(sender: Any, job_id: str, task: str, body: dict[str, Any]) -> None:
    """Send ``body``, a valid job of ``task``, as one message; raises BrokerUnavailable."""
    sending.send(sender, task, body, task_id=job_id)


def send_parts(
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
