"""What tests about the owners of mapped tables begin with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import Postgres
from tests.support.link_owner import CLOCKS, MAP, TABLES
from tests.support.own_tables import OwnTables, mapped


@pytest.fixture(params=CLOCKS)
def clock(request: pytest.FixtureRequest) -> str:
    """What says whether a link is older than a job."""
    return str(request.param)


@pytest.fixture
def own(
    clock: str, postgres_server: Postgres, postgres_template: str, tmp_path: Path
) -> Iterator[OwnTables]:
    """Tables with that clock, on which this process works."""
    url = postgres_server.create_database(postgres_template)
    with mapped(url, tmp_path, TABLES, MAP + CLOCKS[clock]) as found:
        yield found
    postgres_server.drop_database(url)
