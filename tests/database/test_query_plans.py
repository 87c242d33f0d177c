"""What PostgreSQL really does for each statement of the hot path, on a store of a million links.

``auto_explain`` tells the plan of every statement as it was executed, prepared or not: EXPLAIN of
a statement with its values in it would show another one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4
from weakref import WeakSet

import psycopg
import pytest
from sqlalchemy import Engine, event, text

from tagsweep.worker import database
from tagsweep.worker.chunks import batches
from tagsweep.worker.database import pruning
from tagsweep.worker.events import relay
from tagsweep.worker.jobs.batch_ends import NewJob
from tests.support import driving
from tests.support.fixtures import configured
from tests.support.stores import Store, new_ids

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(300)]

LINKS = 1_000_000
#: after five executions psycopg prepares a statement, and after five more its plan may be kept
OFTEN = 12
TENANT = "acme"
NAMES = [f"tag-{number}" for number in range(10)]
#: engines whose statements are explained
_heard: WeakSet[Engine] = WeakSet()

# half of the links are those of one tag; they lie on the disk in no order
FILL = """
INSERT INTO tag_link (tag_id, resource_type, resource_id)
SELECT tag.id, 7, listed.id
FROM (SELECT n, gen_random_uuid() AS id FROM generate_series(1, :links / 2) AS n) AS listed
JOIN tag ON tag.name = 'legacy' OR tag.name = 'tag-' || n % 10
ORDER BY random()
"""

# so many have ended that to read all of them would cost something
OLD_JOBS = (
    (
        "INSERT INTO job (id, tenant, kind, status, fingerprint, head, served_at) "
        "SELECT gen_random_uuid(), 'other', 'detach', 'succeeded', '', '{}', clock_timestamp() "
        "FROM generate_series(1, 20000)"
    ),
    (
        "INSERT INTO chunk (job_id, number, state, resource_type, items) "
        "SELECT id, 0, 'done', 7, 1 FROM job WHERE tenant = 'other'"
    ),
    (
        "INSERT INTO removal (job_id, chunk, tag_id, resource_type, ids, run) "
        "SELECT id, 0, gen_random_uuid(), 7, '{}', 0 FROM job WHERE tenant = 'other'"
    ),
    (
        'INSERT INTO outbox (job_id, "end", tenant, event, published_at, answered_at, position) '
        "SELECT id, 1, tenant, '{}', clock_timestamp(), clock_timestamp(), "
        "1000000 + row_number() OVER () FROM job WHERE tenant = 'other'"
    ),
)


@pytest.fixture(scope="module")
def large_store(postgres_server: Any, postgres_template: str) -> Iterator[list[str]]:
    """A store of a million links; the plans of what is executed on it."""
    url = postgres_server.create_database(postgres_template)
    with configured(database_url=url):
        store = Store(url)
        for name in ("legacy", *NAMES):
            store.tag(TENANT, name)
        with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("SET session_replication_role = replica"))
            connection.execute(text(FILL), {"links": LINKS})
            connection.execute(text("VACUUM ANALYZE tag_link"))
        store.close()
        yield []
    postgres_server.drop_database(url)


@pytest.fixture
def plans(large_store: list[str]) -> list[str]:
    """The plan of each statement that this process has had executed on the large store."""
    return _explained(large_store)


def _explained(told: list[str]) -> list[str]:
    """Have the plan of each statement added to ``told`` that is executed from now on; return it."""
    engine = database.engine()  # another one once a test had a store of its own
    if engine in _heard:
        return told

    def explain(connection: psycopg.Connection[Any], _: object) -> None:
        connection.autocommit = True
        connection.execute("LOAD 'auto_explain'")
        connection.execute("SET auto_explain.log_min_duration = 0")
        connection.execute("SET client_min_messages = log")
        connection.autocommit = False
        connection.add_notice_handler(lambda notice: told.append(notice.message_primary or ""))

    event.listen(engine, "connect", explain)
    _heard.add(engine)
    return told


@pytest.fixture
def new_store(postgres_server: Any, postgres_template: str) -> Iterator[list[str]]:
    """The plans on a store of its own that has one tag, and no link yet."""
    url = postgres_server.create_database(postgres_template)
    with configured(database_url=url):
        store = Store(url)
        store.tag(TENANT, "legacy")
        store.close()
        yield _explained([])
    postgres_server.drop_database(url)


def _cache_plans(how: str) -> None:
    with database.engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        name = connection.scalar(text("SELECT current_database()"))
        connection.execute(text(f'ALTER DATABASE "{name}" SET plan_cache_mode = {how}'))
    pruning.end()
    database.engine().dispose()


@pytest.fixture(params=["auto", "force_custom_plan", "force_generic_plan"])
def cached(request: pytest.FixtureRequest, plans: list[str]) -> Iterator[list[str]]:
    """The plans of sessions that keep one where it seems to pay, never, or from the first on."""
    _cache_plans(request.param)
    yield plans
    relay.deliver()
    _cache_plans("auto")


def some_ids(how_many: int) -> list[str]:
    """Return resources that carry the tag ``legacy``."""
    query = text(
        "SELECT resource_id FROM tag_link JOIN tag ON tag.id = tag_id "
        "WHERE tag.name = 'legacy' LIMIT :most"
    )
    with database.reading() as connection:
        return [str(one) for one in connection.execute(query, {"most": how_many}).scalars()]


def on_links(plans: list[str]) -> list[str]:
    """Return the plans that touch links: none of them may read all of them."""
    found = [plan for plan in plans if " on tag_link" in plan]
    for plan in found:
        assert "Seq Scan on tag_link" not in plan, plan
    return found


def changing(plans: list[str], how: str) -> list[str]:
    """Return the plans that delete, or insert, links."""
    return [plan for plan in on_links(plans) if f"{how} on tag_link" in plan]


def test_a_chunk_of_many_ids_reads_one_range_of_the_key_page_by_page(plans: list[str]) -> None:
    ids = some_ids(60_000)
    plans.clear()
    for at in range(OFTEN):
        done = driving.run(driving.detach_job(TENANT, ["legacy"], tables=ids[at::OFTEN]))
        assert done["counts"]["removed"] == len(ids[at::OFTEN])
    deletes = changing(plans, "Delete")
    assert len(deletes) == OFTEN
    for plan in deletes:
        assert "Bitmap Heap Scan on tag_link" in plan, plan
        assert "Bitmap Index Scan on tag_link_pkey" in plan, plan
        assert "resource_id >= " in plan, plan


def test_a_chunk_of_many_tags_reads_an_index(plans: list[str]) -> None:
    query = text("SELECT DISTINCT resource_id FROM tag_link TABLESAMPLE SYSTEM (2) LIMIT 6000")
    with database.reading() as connection:
        ids = [str(one) for one in connection.execute(query).scalars()]
    plans.clear()
    driving.run(driving.detach_job(TENANT, NAMES, tables=ids))
    deletes = changing(plans, "Delete")
    assert len(deletes) == 2
    for plan in deletes:
        assert "Bitmap Heap Scan on tag_link" in plan, plan
        # of few resources that lie far apart, what they carry is found by the resource
        assert "tag_link_pkey" in plan or "tag_link_resource" in plan, plan


def test_a_small_job_descends_the_key_for_each_id(cached: list[str]) -> None:
    ids = some_ids(10 * OFTEN)
    cached.clear()
    for at in range(OFTEN):
        driving.run(driving.detach_job(TENANT, ["legacy"], tables=ids[at::OFTEN]))
    relay.deliver()
    deletes = changing(cached, "Delete")
    assert len(deletes) == OFTEN
    for plan in deletes:
        assert "Index Scan using tag_link_pkey" in plan, plan


def test_a_batch_of_small_jobs_descends_the_keys(cached: list[str]) -> None:
    ids = some_ids(20 * OFTEN)
    cached.clear()
    for at in range(OFTEN):
        few = ids[at::OFTEN]
        jobs = [
            driving.detach_job(TENANT, ["legacy"], tables=few[:10]),
            driving.detach_job(TENANT, ["legacy"], tables=few[10:]),
            driving.attach_job(TENANT, ["tag-0"], folders=few),
            driving.delete_job(TENANT, [f"w-{at}"], "env"),
        ]
        with database.transaction() as connection:
            batches.apply(connection, [NewJob(uuid4(), job, job.fingerprint()) for job in jobs])
    assert len(changing(cached, "Delete")) == len(changing(cached, "Insert")) == OFTEN
    for plan in changing(cached, "Delete"):
        assert "Index Scan using tag_link_pkey" in plan, plan
    for plan in cached:
        for table in ("tag", "workspace", "workspace_tag"):
            assert f"Seq Scan on {table} " not in plan, plan


def test_a_batch_of_detaches_descends_the_keys(cached: list[str]) -> None:
    ids = some_ids(20 * OFTEN * OFTEN)
    cached.clear()
    for at in range(OFTEN):
        few = ids[at::OFTEN]
        jobs = [
            driving.detach_job(TENANT, ["legacy", "tag-1"], tables=few[own::OFTEN])
            for own in range(OFTEN)
        ]
        with database.transaction() as connection:
            batches.apply(connection, [NewJob(uuid4(), job, job.fingerprint()) for job in jobs])
    deletes = changing(cached, "Delete")
    assert len(deletes) == OFTEN
    for plan in deletes:
        assert "Index Scan using tag_link_pkey" in plan, plan
        for table in ("tag", "job"):
            assert f"Seq Scan on {table} " not in plan, plan


def test_a_few_small_jobs_are_planned_once_however_the_store_grows(new_store: list[str]) -> None:
    grow = text(
        "INSERT INTO tag_link SELECT id, 7, gen_random_uuid() FROM tag, generate_series(1, :links)"
    )
    with database.transaction() as connection:
        connection.execute(grow, {"links": 50})
        connection.execute(text("ANALYZE tag_link"))
    _detach_in_a_batch(new_ids(10))
    with database.transaction() as connection:
        connection.execute(grow, {"links": 100_000})
    ids = some_ids(10)
    new_store.clear()
    _detach_in_a_batch(ids)
    (delete,) = changing(new_store, "Delete")
    assert "Index Scan using tag_link" in delete, delete  # that of the key, or of a resource's tags
    assert "(resource_id = " in delete, delete
    query = text(
        "SELECT generic_plans, custom_plans FROM pg_prepared_statements "
        "WHERE statement LIKE '%item_of_ours%'"
    )
    with database.reading() as connection:
        assert [tuple(row) for row in connection.execute(query)] == [(2, 0)]


def _detach_in_a_batch(ids: list[str]) -> None:
    job = driving.detach_job(TENANT, ["legacy"], tables=ids)
    with database.transaction() as connection:
        batches.apply(connection, [NewJob(uuid4(), job, job.fingerprint())])


def test_an_attach_and_every_tag_of_a_selection_read_the_key(plans: list[str]) -> None:
    plans.clear()
    ids = new_ids(20_000)
    driving.run(driving.attach_job(TENANT, ["tag-0"], volumes=ids))
    with database.engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE tag_link"))  # as autovacuum does
    driving.run(driving.detach_job(TENANT, ["tag-0"], volumes="*"))
    assert len(changing(plans, "Insert")) == 1
    assert all("tag_link_pkey" in plan for plan in changing(plans, "Delete"))


def test_no_statement_of_a_job_reads_all_of_a_table_that_grows(plans: list[str]) -> None:
    with database.transaction() as connection:
        for statement in OLD_JOBS:
            connection.execute(text(statement))
        for table in ("job", "chunk", "outbox", "removal"):
            connection.execute(text(f"ANALYZE {table}"))
    ids = some_ids(120_000)
    plans.clear()
    driving.run_recorded(driving.record(driving.detach_job(TENANT, ["legacy"], tables=ids)))
    relay.deliver()
    for plan in plans:
        for table in ("job", "chunk", "outbox", "removal"):
            assert f"Seq Scan on {table} " not in plan, plan
