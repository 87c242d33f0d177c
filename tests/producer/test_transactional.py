"""Jobs that a service records inside its own transaction, through an engine of its own."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from tagsweep.producer import transactional
from tagsweep.worker.errors import InvalidJob, Rejected, SettingsError
from tagsweep.worker.models.jobs import DetachJob
from tagsweep.worker.store import bulk_load
from tests.support.stack import ServerStack, Stack, eventually
from tests.support.stores import Store, new_ids


@pytest.mark.slow
def test_committed_it_runs_within_two_seconds_without_any_message(
    server_stack: ServerStack, tenant: str
) -> None:
    ids = new_ids(3)
    server_stack.store.tag(tenant, "legacy", tables=ids)
    theirs = create_engine(server_stack.store.url.replace("postgresql:", "postgresql+psycopg:"))
    with Session(theirs) as session:
        job = {"kind": "detach", "tenant": tenant, "names": ["legacy"], "tables": ids}
        job_id = transactional.record(session.connection(), job)
        assert server_stack.store.job(job_id) is None
        session.commit()
    assert eventually(lambda: not server_stack.store.links(tenant), seconds=2)
    assert eventually(lambda: server_stack.events(str(job_id)))
    theirs.dispose()


def test_rolled_back_there_is_no_job(stack: Stack, tenant: str) -> None:
    job = DetachJob.parse({"tenant": tenant, "names": ["legacy"], "tables": new_ids(3)})
    with stack.store.engine.connect() as connection:
        job_id = transactional.record(connection, job)
        connection.rollback()
    assert stack.store.job(job_id) is None
    assert stack.store.parts(job_id) == []


def test_what_the_same_transaction_attached_before_is_removed(
    server_stack: ServerStack, tenant: str
) -> None:
    body = {"kind": "delete", "tenant": tenant, "workspaces": ["w-1"], "tags": [{"key": "a"}]}
    with server_stack.store.transaction() as connection:
        values = {("a", False): "1", ("b", False): "2"}
        bulk_load.set_workspace_tags(connection, tenant, "w-1", values)
        transactional.record(connection, body)
    left = {("w-1", "b", "2", False)}
    assert eventually(lambda: server_stack.store.workspace_tags(tenant) == left)


def test_the_same_id_is_the_same_job(store: Store, tenant: str) -> None:
    job = {"kind": "detach", "tenant": tenant, "names": ["legacy"], "tables": new_ids(3)}
    job_id = uuid4()
    for _ in range(2):
        with store.transaction() as connection:
            assert transactional.record(connection, job, job_id) == job_id
    with store.transaction() as connection, pytest.raises(Rejected, match="another job"):
        transactional.record(connection, {**job, "names": ["other"]}, job_id)
    assert len(store.parts(job_id)) == 2


def test_a_faulty_job_is_refused_and_changes_nothing(store: Store, tenant: str) -> None:
    faulty = ({"tenant": tenant}, {"kind": "sweep"}, {"kind": "detach", "tenant": tenant})
    for job in faulty:
        with store.transaction() as connection, pytest.raises(InvalidJob):
            transactional.record(connection, job)
    assert store.outbox() == []


def test_a_driver_that_is_not_known_is_told(tmp_path: Path, tenant: str) -> None:
    class Other:
        """A connection of another driver."""

    class Fake:
        """As much of a connection as is looked at."""

        class dialect:  # noqa: N801  # as SQLAlchemy calls it
            """Another dialect."""

            name, driver = "postgresql", "asyncpg"

        class connection:  # noqa: N801  # same
            """Another driver's."""

            driver_connection = Other()

    job = {"kind": "detach", "tenant": tenant, "names": ["a"]}
    with pytest.raises(SettingsError, match="psycopg 3"):
        transactional.record(Fake(), job)
    assert not list(tmp_path.iterdir())
