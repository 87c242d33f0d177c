"""A valid job on its way into the store, under the id that follows from its request."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from uuid import UUID, uuid4, uuid5

from starlette.requests import Request

from tagsweep.producer.gateway.auth.callers import Caller
from tagsweep.producer.gateway.requests import preferences
from tagsweep.producer.gateway.requests.preferences import Preference
from tagsweep.worker.models.jobs import Job

#: of job ids derived from an Idempotency-Key or a signature
NAMESPACE = UUID("6c2e9a5e-6d0c-4a0e-9b6f-0d7c6f1d3b52")


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A valid job on its way into the store, and how long its sender waits for its end."""

    job: Job
    job_id: UUID
    fingerprint: bytes  #: another request under the same id is compared with it
    nonce: str | None  #: by which it can be withdrawn; None: it is promised to be done
    wait_s: float
    workspace: str | None = None  #: must exist, else nothing is recorded


def of_form(caller: Caller, job: Job, token: str, wait_s: float) -> JobRequest:
    """Return what a form of the console asks for; the same form sent again is the same job."""
    job_id = id_of_form(caller, token)
    job = _through(job, "console", caller)
    return JobRequest(job, job_id, job.fingerprint(), None, wait_s)


def id_of_form(caller: Caller, token: str) -> UUID:
    """Return the id of what a form of the console makes, once, however often it is sent."""
    return uuid5(NAMESPACE, f"form\n{caller.tenant}\n{token}")


def _through(job: Job, door: str, caller: Caller) -> Job:
    return job.asked_by(caller.through(door))


def of(  # noqa: PLR0913  # only one contract has a signature and a workspace
    request: Request,
    caller: Caller,
    job: Job,
    preference: Preference,
    *,
    signature: str | None = None,
    workspace: str | None = None,
) -> JobRequest:
    """Return what the request asks for, under the id that follows from it.

    The same Idempotency-Key, or the same signature, of a tenant gives the same id: the store's own
    uniqueness then makes a second job impossible, whichever gateway takes it.
    """
    fingerprint = job.fingerprint()
    key = preferences.idempotency_key(request.headers)
    if key is not None:
        job_id = uuid5(NAMESPACE, f"key\n{caller.tenant}\n{key}")
        path = request.scope["path"].rstrip("/")
        fingerprint = hashlib.sha256(path.encode() + b"\n" + fingerprint).digest()
    elif signature is not None:
        job_id = uuid5(NAMESPACE, f"signature\n{caller.tenant}\n{signature}")
    else:
        job_id = uuid4()
    # to be withdrawn only if its sender was promised nothing
    nonce = None if preference.respond_async else uuid4().hex
    job = _through(job, "http", caller)
    return JobRequest(job, job_id, fingerprint, nonce, preference.wait_s, workspace)
