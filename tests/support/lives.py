"""What may happen to a job before its end, at random; its receipt is true at each moment."""

from __future__ import annotations

from uuid import UUID

from hypothesis import strategies as st

from tagsweep.worker import database
from tagsweep.worker.errors import NothingToRetry
from tagsweep.worker.jobs import control
from tagsweep.worker.models.jobs import Job
from tagsweep.worker.tasks import sweep
from tests.chaos import boundaries
from tests.support import driving, receipts
from tests.support.stores import Store

#: what may happen to a job: chunks done, a worker that dies at some statement, ...
steps = st.lists(
    st.one_of(
        st.sampled_from(["sweep", "cancel", "retry", "mend"]),
        st.integers(1, 25).map(lambda number: f"die {number}"),
    ),
    max_size=8,
)


def do(step: str, store: Store, job_id: UUID) -> None:
    """Let one of ``steps`` happen to a job."""
    kind, _, number = step.partition(" ")
    if kind == "sweep":
        sweep.apply_next()
    elif kind == "die" and store.engine.dialect.name != "sqlite":  # there only a process can die
        with boundaries.at(int(number), boundaries.die):
            try:
                sweep.apply_next()
            except boundaries.Died:
                return
    elif kind == "cancel":
        with database.transaction() as connection:
            control.cancel(connection, job_id)
    elif kind == "mend":
        receipts.keep(store, [])
    elif kind == "retry":
        _retry(job_id)


def _retry(job_id: UUID) -> None:
    try:
        with database.transaction() as connection:
            control.retry(connection, job_id)
    except NothingToRetry:
        return


def through(store: Store, job: Job, happens: list[str]) -> list[receipts.Entry]:
    """Let a job live through what happens, to its end; its receipt is true at each moment."""
    job_id = driving.opened(job)
    for step in happens:
        receipts.agrees(store, job_id)
        do(step, store, job_id)
    receipts.agrees(store, job_id)
    while sweep.apply_next():
        receipts.agrees(store, job_id)
    return receipts.agrees(store, job_id)
