"""What holds of a store holds where ``tag_link`` is cut into partitions, by the script of the docs.

The tests named here are those of other modules, on such a store.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.jobs.test_ends import (
    test_a_chunk_that_was_rolled_back_is_open_again_at_once,
    test_ten_workers_at_once_apply_each_chunk_once,
    test_the_last_chunk_closes_the_job,
    test_two_jobs_of_the_same_links_remove_each_of_them_once,
)
from tests.servers import Postgres
from tests.store.test_as_of import (
    test_a_link_attached_again_in_the_middle_of_the_job_is_left_alone,
    test_attaching_what_is_there_does_not_make_it_newer,
)
from tests.store.test_attach import (
    test_a_detach_of_what_was_attached_leaves_nothing,
    test_items_of_a_tag_that_is_deleted_meanwhile_fail,
)
from tests.store.test_model import test_a_detach_does_what_sets_do
from tests.support.fixtures import in_this_process
from tests.support.stores import Store

pytestmark = pytest.mark.integration

SCRIPT = Path(__file__).parents[2] / "docs" / "partition-tag-link.sql"

__all__ = [
    "test_a_chunk_that_was_rolled_back_is_open_again_at_once",
    "test_a_detach_does_what_sets_do",
    "test_a_detach_of_what_was_attached_leaves_nothing",
    "test_a_link_attached_again_in_the_middle_of_the_job_is_left_alone",
    "test_attaching_what_is_there_does_not_make_it_newer",
    "test_items_of_a_tag_that_is_deleted_meanwhile_fail",
    "test_ten_workers_at_once_apply_each_chunk_once",
    "test_the_last_chunk_closes_the_job",
    "test_two_jobs_of_the_same_links_remove_each_of_them_once",
]


@pytest.fixture(scope="module")
def partitioned(postgres_server: Postgres, postgres_template: str) -> Iterator[str]:
    """The name of a database with our schema, cut by the script, to be copied."""
    url = postgres_server.create_database(postgres_template)
    with psycopg.connect(url) as connection:  # one transaction, as the script asks for
        connection.execute(SCRIPT.read_text().encode())
    yield url.rpartition("/")[2]
    postgres_server.drop_database(url)


@pytest.fixture
def store(postgres_server: Postgres, partitioned: str) -> Iterator[Store]:
    """A store of this test alone, which this process works on."""
    url = postgres_server.create_database(partitioned)
    with in_this_process(url) as store:
        yield store
    postgres_server.drop_database(url)


@pytest.fixture
def postgres_store(store: Store) -> Store:
    """The same: a partitioned store is a PostgreSQL store."""
    return store


def test_links_lie_in_more_than_one_partition(store: Store, tenant: str) -> None:
    for number in range(20):
        store.tag(tenant, f"tag-{number}", tables=["8c0dcfd4-4b43-4b1f-a9a4-1d1c1ad0a4a1"])
    with psycopg.connect(store.url) as connection:
        used = connection.execute("SELECT count(DISTINCT tableoid) FROM tag_link").fetchone()
    assert used is not None
    assert used[0] > 1
