"""RabbitMQ that answers but refuses, under load: broker, results and events."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers import Postgres, RabbitMQ
from tests.weather import cases
from tests.weather.refusals import Refusal, chosen
from tests.weather.refusals_rabbitmq import REFUSALS, VirtualHost
from tests.weather.site import Site, Sites


@pytest.fixture(scope="module")
def sites(
    postgres_server: Postgres, postgres_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sites]:
    """Sites whose RabbitMQ may refuse."""
    with RabbitMQ() as server:

        def make() -> Site:
            host = VirtualHost(server, server.create_vhost())
            host.prepare()
            database_url = postgres_server.create_database(postgres_template)
            folder = tmp_path_factory.mktemp("site")
            site = Site(folder, host, database_url, database_url, host.url)
            site.keep_events(host.owner_url)
            return site

        found = Sites(make)
        yield found
        found.close()


@pytest.mark.parametrize("refusal", chosen(REFUSALS))
def test_whatever_rabbitmq_refuses_each_job_ends_once(
    sites: Sites, refusal: Refusal[VirtualHost]
) -> None:
    cases.hold(sites.get(), refusal)
