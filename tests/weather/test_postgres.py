"""PostgreSQL that answers but refuses, under load."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tagsweep.worker.database import schema
from tests.servers import Postgres, Redis
from tests.support.fixtures import configured
from tests.weather import cases
from tests.weather.database import Database
from tests.weather.refusals import Refusal, chosen
from tests.weather.refusals_postgres import REFUSALS
from tests.weather.site import Site, Sites


@pytest.fixture(scope="module")
def sites(redis_server: Redis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    """Sites whose PostgreSQL may refuse."""
    with Postgres(settings={"max_connections": "80"}) as server:
        template = server.create_database()
        with configured(database_url=template):
            schema.upgrade()

        def make() -> Site:
            name = urlsplit(template).path.removeprefix("/")
            database = Database(server, server.create_database(name))
            database.prepare()
            urls = database.owner_url, database.url, redis_server.create_database()
            return Site(tmp_path_factory.mktemp("site"), database, *urls)

        found = Sites(make)
        yield found
        found.close()


@pytest.mark.parametrize("refusal", chosen(REFUSALS))
def test_whatever_postgresql_refuses_each_job_ends_once(
    sites: Sites, refusal: Refusal[Database]
) -> None:
    cases.hold(sites.get(), refusal)
