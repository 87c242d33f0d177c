"""The task ``tags.run``: do what a preview has shown, under an id made from the preview's."""

from __future__ import annotations

from tagsweep.worker import database
from tagsweep.worker.broker.delivery import Delivery, task
from tagsweep.worker.errors import NeedsApproval
from tagsweep.worker.jobs import dispatch
from tagsweep.worker.jobs.derived import approval, runs
from tagsweep.worker.models.run import RunRequest
from tagsweep.worker.tasks import replies


@task(RunRequest.task)
def run(delivery: Delivery) -> None:
    """Record the job that does what the preview has shown; a second message is the same job.

    Raises what ``runs.record`` raises, and InvalidJob: the message becomes a dead letter, and its
    sender is told. What lacks approval is a job that ends ``rejected``, under the message's id.
    """
    wanted = RunRequest.parse(delivery.body)
    replies.check(delivery)
    try:
        with database.transaction() as connection:
            job, created = runs.record(connection, wanted)
            replies.remember(connection, job.id, delivery)
    except NeedsApproval as refusal:
        job_id = delivery.job_id
        if job_id is None or job_id == wanted.job_id:  # the id of the run is not to be taken
            raise
        with database.transaction() as connection:
            job, created = approval.reject(
                connection, job_id, wanted.preview, delivery.body, refusal
            )
            replies.remember(connection, job_id, delivery)
    return dispatch.after_commit(job) if created else dispatch.answer_again(job)
