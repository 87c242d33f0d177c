"""Deleting a tag: a detach from all that carries it, at whose end the tag goes."""

from __future__ import annotations

from fastapi import Request, Response

from tagsweep.producer.gateway import errors, state
from tagsweep.producer.gateway.errors import Refusal
from tagsweep.producer.gateway.openapi import operations
from tagsweep.producer.gateway.requests import preferences
from tagsweep.producer.gateway.routes import query_parameters, tag_requests
from tagsweep.producer.gateway.submission import job_request
from tagsweep.producer.gateway.submission.transactions import Taken, View
from tagsweep.worker.errors import NoSuchTag
from tagsweep.worker.mapping import whole_tags
from tagsweep.worker.models.jobs import TagDeletion
from tagsweep.worker.models.records import is_dropped

TAG = "/api/v1/tags/{tag_id:uuid}"

router = query_parameters.router()


@router.delete(
    f"{TAG}/",
    status_code=204,
    summary="Delete a tag",
    operation_id="deleteTag",
    **operations.operation(
        answers={202: "Job", 204: None},
        refused=(400, 401, 404, 409, 422, 429, 500, 503),
        shape="DetachError",
        path={"tag_id": operations.UUID_TEXT},
        query={"tenant": operations.IDENTIFIER},
        headers=operations.ASYNCHRONOUS,
    ),
)
@router.delete(TAG, include_in_schema=False)
async def delete(request: Request) -> Response:
    """Take a tag off all that carries it, and delete it: 204 once it is gone, else 202 and the job.

    An undo of the job brings back both, under the same id and name.
    """
    gateway = state.of(request)
    caller = await tag_requests.caller(request)
    preference = preferences.read(request.headers, gateway.settings.wait_s)
    body = {"tenant": caller.tenant, "tag": tag_requests.tag_id(request), "drop": True}
    # the name is looked up where the job is recorded: a request that is repeated finds its job,
    # though the tag is gone
    job = TagDeletion.parse({**body, "names": [], **whole_tags.every()})
    wanted = job_request.of(request, caller, job, preference)
    try:
        view = await gateway.submission.submit(request, wanted)
    except Taken:
        raise Refusal(422, "This Idempotency-Key was used for another request.") from None
    except NoSuchTag:
        raise Refusal(404, tag_requests.NOT_FOUND) from None
    if preference.accepted(ended=view.job.ended) or not _is_gone(view):
        errors.check_approval(view.job.errors, preference.headers)
        return operations.accepted(view, preference.headers)
    return Response(status_code=204, headers={**preference.headers, **operations.identified(view)})


def _is_gone(view: View) -> bool:
    # without a target it went by another hand
    return view.job.status == "succeeded" and all(map(is_dropped, view.job.targets))
