"""Redis that answers but refuses, under load: broker, results and events."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers import Postgres, Redis
from tests.weather import cases, refusals_redis
from tests.weather.refusals import Refusal, chosen
from tests.weather.site import Site, Sites


@pytest.fixture(scope="module")
def sites(
    postgres_server: Postgres, postgres_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sites]:
    """Sites whose Redis may refuse."""
    with Redis(appendonly=True) as server:
        refusals_redis.prepare(server)

        def make() -> Site:
            database_url = postgres_server.create_database(postgres_template)
            broker_url = refusals_redis.url_of(server.create_database())
            folder = tmp_path_factory.mktemp("site")
            return Site(folder, server, database_url, database_url, broker_url)

        found = Sites(make)
        yield found
        found.close()


@pytest.mark.parametrize("refusal", chosen(refusals_redis.REFUSALS))
def test_whatever_redis_refuses_each_job_ends_once(sites: Sites, refusal: Refusal[Redis]) -> None:
    cases.hold(sites.get(), refusal)
