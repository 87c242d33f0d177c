"""What the calls on tags of workspaces have in common: who calls, what is refused and how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi import Request, Response

from tagsweep.producer.gateway import errors, state
from tagsweep.producer.gateway.auth import encryption, signatures
from tagsweep.producer.gateway.auth.callers import Caller, one_key
from tagsweep.producer.gateway.auth.credentials import Credential
from tagsweep.producer.gateway.auth.signatures import NotSigned, Signature
from tagsweep.producer.gateway.errors import Refusal, document, unavailable
from tagsweep.producer.gateway.openapi import operations
from tagsweep.producer.gateway.requests import preferences
from tagsweep.producer.gateway.requests.parsing import Form
from tagsweep.producer.gateway.state import Gateway
from tagsweep.producer.gateway.submission import job_request
from tagsweep.producer.gateway.submission.transactions import Taken, UnknownWorkspace, View
from tagsweep.worker.errors import SettingsError
from tagsweep.worker.models.fields import identifies
from tagsweep.worker.models.jobs import WorkspacesJob

PREFIX = "/v1/"
#: 20 tags need no more
MAX_BODY = 1 << 20

NO_WORKSPACE = "There is no such workspace."
NO_OPERATOR = "sys_tags need a credential with the operator right."
FORBIDDEN = "X-Auth-Token is invalid in the request"
UNAUTHORIZED = "Incorrect token or token resolution failed"
INVALID = "failed to read http request, please check your input, code: 400, reason: {reason}"
MISMATCH = "Type mismatch., cause: TypeMismatchException"
#: error_code and error_msg of each status; those that the page does not list follow its pattern
DOCUMENTED = {
    401: ("APIG.1002", UNAUTHORIZED),
    404: ("common.01000001", "response status exception, code: 404"),
    405: ("common.00000405", "request method not supported, code: 405"),
    408: ("common.00000408", "timeout exception occurred"),
    409: ("common.00000409", "request conflicts with another one, code: 409"),
    413: ("common.00000413", "request body too large, code: 413"),
    415: ("common.00000415", "media type not supported, code: 415"),
    429: ("APIG.0308", "The throttling threshold has been reached"),
    500: ("common.00000500", "internal error"),
    503: ("common.00000503", "service unavailable"),
}
#: our codes for what the page calls a type mismatch
_MISMATCHES = frozenset({"invalid", "not_a_list", "not_an_object", "null"})


@dataclass(frozen=True, slots=True)
class Proof:
    """How a request authenticates: by a token, or by a signature that covers its body too."""

    caller: Caller | None
    signature: Signature | None = None
    credential: Credential | None = None


async def submitted(request: Request, door: str) -> Response:
    """Do the job in the body of a call on one workspace; ``door``: what the body must look like."""
    gateway = state.of(request)
    proof = await _prove(gateway, request)
    preference = preferences.read(request.headers, gateway.settings.wait_s)
    limit = min(MAX_BODY, gateway.settings.body_bytes)
    async with gateway.bodies.receive(request, limit) as body:
        caller = proof.caller or _signer(gateway, request, proof, body.in_memory())
        form = _form(gateway, request, caller, door)
        job = await gateway.bodies.job(body, form)
    _may(caller, job)
    signature = proof.signature.value if proof.signature else None
    wanted = job_request.of(
        request, caller, job, preference, signature=signature, workspace=form.workspace
    )
    try:
        view = await gateway.submission.submit(request, wanted)
    except UnknownWorkspace:
        raise Refusal(404, NO_WORKSPACE) from None
    except Taken:
        raise Refusal(409, "This Idempotency-Key was used for another request.") from None
    if preference.accepted(ended=view.job.ended):
        return operations.accepted(view, preference.headers)
    return _answer(view, {**preference.headers, **operations.identified(view)})


async def reader(request: Request) -> tuple[Caller, bytes]:
    """Return who may read the project's tags, and the body of the request; raises Refusal."""
    gateway = state.of(request)
    proof = await _prove(gateway, request)
    limit = min(MAX_BODY, gateway.settings.body_bytes)
    async with gateway.bodies.receive(request, limit) as body:
        content = body.in_memory()
        caller = proof.caller or _signer(gateway, request, proof, content)
        gateway.admit(request, caller, "read")
        _of_project(request, caller)
    return caller, content


def workspace_of(request: Request) -> str:
    """Return the workspace that the path names; raises Refusal (400)."""
    workspace = str(request.path_params["workspace_id"])
    if not identifies(workspace):
        raise Refusal(400, "workspace_id must be 1 to 36 letters, digits or hyphens.")
    return workspace


async def _prove(gateway: Gateway, request: Request) -> Proof:
    """Authenticate the request as far as possible before its body is read."""
    if "x-auth-token" in request.headers:
        token = one_key(request.headers, "x-auth-token")
        caller = await gateway.callers.by_key(token) if token else None
        if caller is None:
            raise Refusal(401, UNAUTHORIZED)
        return Proof(caller)
    try:
        signature = signatures.read(request)
    except NotSigned as error:
        raise Refusal(401, str(error)) from None
    if not signatures.in_time(signature):
        raise Refusal(401, "X-Sdk-Date must be within 15 minutes of the server's time.")
    if "idempotency-key" in request.headers and not signature.covers("idempotency-key"):
        # or whoever intercepts a request could make another job of it
        raise Refusal(400, "Idempotency-Key must be among the signed headers.")
    credential = await gateway.callers.by_access_key(signature.access_key)
    if credential is None:
        raise Refusal(401, UNAUTHORIZED)
    return Proof(None, signature, credential)


def _signer(gateway: Gateway, request: Request, proof: Proof, body: bytes) -> Caller:
    """Return who signed the request; raises Refusal (401; 503 if that cannot be checked)."""
    credential, signature = proof.credential, proof.signature
    if credential is None or signature is None or credential.sealed_secret is None:
        raise Refusal(401, UNAUTHORIZED)
    try:
        secret = encryption.unseal(credential.sealed_secret, credential.id)
    except SettingsError as error:
        gateway.log.warning("secret_unreadable", reason=str(error))
        raise unavailable("Signatures cannot be checked here.") from error
    if not signatures.fits(signature, request, body, secret):
        raise Refusal(401, UNAUTHORIZED)
    return gateway.callers.used(credential)


def _form(gateway: Gateway, request: Request, caller: Caller, door: str) -> Form:
    """Return what the body must be, once the caller may act for this project."""
    gateway.admit(request, caller)
    _of_project(request, caller)
    workspace = workspace_of(request)
    return Form(door, caller.tenant, gateway.settings.request_ids, workspace)


def _of_project(request: Request, caller: Caller) -> None:
    if request.path_params["project_id"] != caller.tenant:
        raise Refusal(403, "The credential belongs to another project.")


def _may(caller: Caller, job: Any) -> None:
    if isinstance(job, WorkspacesJob) and job.sys_tags and not caller.operator:
        raise Refusal(403, NO_OPERATOR)


def _answer(view: View, headers: dict[str, str]) -> Response:
    job = view.job
    if not job.ended:
        raise Refusal(
            408, "The job continues.", headers={**headers, "Location": f"/api/v1/jobs/{job.id}"}
        )
    if job.status == "cancelled":
        raise Refusal(409, "The job was cancelled before it ended.", headers=headers)
    if job.status == "succeeded":
        return Response(status_code=204, headers=headers)
    errors.check_approval(job.errors, headers)
    if any(error["code"] == "unknown_workspace" for error in job.errors):
        raise Refusal(404, NO_WORKSPACE, headers=headers)
    raise Refusal(500, f"Job {job.id} failed.", headers=headers)


def refuse(refusal: Refusal) -> Response:
    """Return ``refusal`` as the page of the contract documents it."""
    if refusal.status == 403:  # noqa: PLR2004  # documented unlike all others
        body: dict[str, Any] = {
            "error": {"code": "403", "message": FORBIDDEN, "title": "Forbidden"},
            "error_code": 403,
            "error_msg": FORBIDDEN,
            "title": "Forbidden",
        }
    else:
        code, message = DOCUMENTED.get(refusal.status) or ("common.01000001", _invalid(refusal))
        body = {"error_code": code, "error_msg": message}
    body["solution_msg"] = _solution(refusal)
    return document(body, refusal.status, refusal.headers)


def _invalid(refusal: Refusal) -> str:
    if not refusal.errors:
        return INVALID.format(reason=refusal.detail)[:512]
    first = refusal.errors[0]
    if first["code"] in _MISMATCHES:
        return INVALID.format(reason=MISMATCH)
    place = first["path"].lstrip("/").replace("/", ".")
    return INVALID.format(reason=f"{place} {first['reason']}".strip())[:512]


def _solution(refusal: Refusal) -> str:
    """Return what to do about it, which the contract leaves open."""
    reasons = [f"{error['path'] or '/'}: {error['reason']}" for error in refusal.errors[:20]]
    return " ".join(reasons or [refusal.detail])[:4096]
