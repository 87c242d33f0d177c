"""Tables like those of known products, at full size: what a job takes off comes back exactly.

Only django-taggit's come from real migrations (tests/support/products.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tagsweep.worker.mapping import file, presets, readiness
from tagsweep.worker.models.jobs import DetachJob, MergeJob, UndoJob
from tests.servers import Postgres
from tests.support import driving
from tests.support.own_tables import OwnTables, mapped
from tests.support.products import OBJECTS, PRODUCTS, TAGS, Product
from tests.support.projects import Project
from tests.support.stores import attached, counts

pytestmark = pytest.mark.slow


@pytest.fixture(params=PRODUCTS)
def product(
    request: pytest.FixtureRequest,
    postgres_server: Postgres,
    postgres_template: str,
    tmp_path: Path,
) -> Iterator[tuple[OwnTables, Product]]:
    """A product's tables, half a million links in them, and the map that is written for it."""
    found = PRODUCTS[request.param]
    url = postgres_server.create_database(postgres_template)
    with mapped(url, tmp_path, found.tables, "") as own:
        if not found.tables:
            Project(own, tmp_path).run("fill")
        own.create(found.fill)
        (tmp_path / "tags.toml").write_text(presets.write(request.param))
        file.load.cache_clear()
        readiness.check()
        yield own, found
    postgres_server.drop_database(url)


def _state(own: OwnTables, product: Product) -> tuple[int, str]:
    """Return how many links there are, and the md5 of all of them, with all columns."""
    (row,) = own.execute(
        f"SELECT count(*) AS n, md5(string_agg(md5(row::text), '' ORDER BY id)) AS sum "
        f"FROM {product.links} AS row"
    )
    return row.n, row.sum


def _wrong_counters(own: OwnTables, product: Product) -> list[Any]:
    return own.execute(product.counters) if product.counters else []


def test_a_fifth_of_the_links_goes_and_comes_back_as_it_was(
    product: tuple[OwnTables, Product],
) -> None:
    own, of = product
    before = _state(own, of)
    assert before[0] == OBJECTS * len(TAGS)
    ids = list(range(1, OBJECTS + 1))
    some = {"tenant": of.tenant, "names": ["old"], "resources": {of.resource: ids}}
    done = driving.run(DetachJob.parse(some))
    assert (done["status"], done["counts"]) == ("succeeded", counts(total=OBJECTS, removed=OBJECTS))
    assert _state(own, of)[0] == OBJECTS * (len(TAGS) - 1)
    assert _wrong_counters(own, of) == []
    undo = UndoJob.parse({"tenant": of.tenant, "job": done["job_id"]})
    undone = driving.run_recorded(driving.record(undo))
    assert (undone["status"], undone["counts"]) == (
        "succeeded",
        attached(total=OBJECTS, added=OBJECTS),
    )
    assert _state(own, of) == before
    assert _wrong_counters(own, of) == []


def test_a_tag_is_merged_into_another_and_its_links_come_back_as_they_were(
    product: tuple[OwnTables, Product],
) -> None:
    own, of = product
    half, tenant = OBJECTS // 2, {"tenant": of.tenant}
    some = {"names": ["new"], "resources": {of.resource: list(range(1, half + 1))}}
    driving.run(DetachJob.parse({**tenant, **some}))
    before = _state(own, of)
    asked = {"names": ["old"], "into": "new", "resources": {of.resource: "*"}}
    done = driving.run(MergeJob.parse({**tenant, **asked}))
    told = {word: done["counts"][word] for word in ("moved", "present", "absent", "failed")}
    assert (done["status"], told) == (
        "succeeded",
        {"moved": half, "present": half, "absent": 0, "failed": 0},
    )
    assert _state(own, of)[0] == before[0] - half
    assert _wrong_counters(own, of) == []
    undo = UndoJob.parse({**tenant, "job": done["job_id"]})
    undone = driving.run_recorded(driving.record(undo))
    assert (undone["status"], undone["counts"]["moved"]) == ("succeeded", OBJECTS)
    assert _state(own, of) == before
    assert _wrong_counters(own, of) == []
