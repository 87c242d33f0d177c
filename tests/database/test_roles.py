"""The grants of docs/roles.md are enough for each role, and no more than it says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine

from tagsweep.producer.transactional import record
from tagsweep.worker import database
from tagsweep.worker.audit import trail
from tagsweep.worker.database import schema
from tagsweep.worker.doctor import readiness
from tagsweep.worker.jobs import retention
from tagsweep.worker.models.requester import Requester
from tests.support import driving
from tests.support.fixtures import configured
from tests.support.stores import Store, new_ids

PAGE = Path(__file__).parents[2] / "docs" / "roles.md"
ROLES = ("owner", "worker", "gateway", "recorder", "reader")


class Roles:
    """A database in which the page's statements were run."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.suffix = url.rpartition("/")[2]
        self.blocks = re.findall(r"```sql\n(.*?)```", PAGE.read_text(), re.DOTALL)

    def name(self, role: str) -> str:
        """Return what a role of the page is called here: a server's roles are shared."""
        return f"{role}_{self.suffix}"

    def as_(self, role: str) -> str:
        """Return the URL by which a role logs in."""
        return self.url.replace("postgres@", f"{self.name(role)}@")

    def run(self, url: str, statements: str) -> None:
        """Run statements of the page."""
        for role in ROLES:
            statements = statements.replace(f"tagsweep_{role}", self.name(role))
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(statements.encode())


@pytest.fixture
def roles(postgres_url: str) -> Iterator[Roles]:
    """A store that was made, and granted, as the page says."""
    made = Roles(postgres_url)
    made.run(made.url, made.blocks[0])
    with configured(database_url=made.as_("owner")):
        schema.upgrade()
        made.run(made.as_("owner"), made.blocks[1])
    yield made
    with psycopg.connect(made.url, autocommit=True) as connection:
        for role in ROLES:
            connection.execute(f"DROP OWNED BY {made.name(role)} CASCADE".encode())
        for role in ROLES:
            connection.execute(f"DROP ROLE {made.name(role)}".encode())


def test_a_worker_does_all_its_work_with_the_rights_of_the_page(roles: Roles, tenant: str) -> None:
    with configured(database_url=roles.as_("worker"), keep_jobs_days=1):
        schema.ready()
        store = Store(roles.as_("worker"))
        ids = new_ids(4)
        store.tag(tenant, "legacy", tables=ids)
        store.workspace(tenant, "w", {"env": "prod"})
        job = driving.detach_job(tenant, ["legacy"], tables=ids)
        assert driving.finish(driving.opened(job))["counts"]["removed"] == 4
        with psycopg.connect(roles.url, autocommit=True) as connection:
            connection.execute("UPDATE tagsweep.job SET finished_at = now() - interval '99 days'")
            connection.execute(
                "UPDATE tagsweep.outbox SET published_at = now(), answered_at = now()"
            )
        retention.keep()
        assert readiness.problem() is None
        store.close()


def test_a_service_records_jobs_with_the_rights_of_the_page(roles: Roles, tenant: str) -> None:
    engine = create_engine(roles.as_("recorder").replace("postgresql://", "postgresql+psycopg://"))
    with configured(database_url=roles.as_("recorder")), engine.begin() as connection:
        job = {"kind": "detach", "tenant": tenant, "names": ["legacy"], "tables": new_ids(2)}
        job_id = record(connection, job)
        assert record(connection, job, job_id) == job_id
    engine.dispose()


def test_a_reader_reads_the_public_tables_and_no_others(roles: Roles) -> None:
    with psycopg.connect(roles.as_("reader"), autocommit=True) as connection:
        for table in ("tag", "tag_link", "workspace", "workspace_tag", "job"):
            connection.execute(f"SELECT * FROM tagsweep.{table}".encode())
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT * FROM tagsweep.credential")


def test_a_gateway_is_ready_and_changes_no_tag(roles: Roles, tenant: str) -> None:
    with configured(database_url=roles.as_("gateway")):
        schema.ready()
        assert readiness.problem() is None
        driving.record(driving.detach_job(tenant, ["legacy"], tables=new_ids(2)))
    with (
        psycopg.connect(roles.as_("gateway"), autocommit=True) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("DELETE FROM tagsweep.tag_link")


@pytest.mark.parametrize("role", ["worker", "gateway"])
def test_no_service_changes_the_audit_trail(roles: Roles, tenant: str, role: str) -> None:
    with configured(database_url=roles.as_(role)), database.transaction() as connection:
        trail.append(connection, "key.create", Requester(name="ann"), tenant=tenant)
    with psycopg.connect(roles.as_(role), autocommit=True) as connection:
        for statement in (
            "UPDATE tagsweep.audit_entry SET tenant = 'x'",
            "UPDATE tagsweep.audit_entry SET expires_at = now()",
            "DELETE FROM tagsweep.audit_entry",
            "TRUNCATE tagsweep.audit_entry",
            "ALTER TABLE tagsweep.audit_entry DISABLE TRIGGER ALL",
            "DROP TABLE tagsweep.audit_entry",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())
        rows = connection.execute("SELECT tenant FROM tagsweep.audit_entry").fetchall()
    assert rows == [(tenant,)]
