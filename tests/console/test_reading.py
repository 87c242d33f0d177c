"""What a page shows is one moment of the store, whatever workers do meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from tagsweep.producer.gateway.console.reading import job as reading
from tagsweep.worker.jobs.inspection import whole
from tests.support import driving
from tests.support.stores import Store, new_ids, new_tenant


def test_a_job_that_is_split_and_ends_while_its_page_is_read(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant, ids = new_tenant(), new_ids(5)
    store.tag(tenant, "legacy", tables=ids)
    job_id = driving.record(driving.detach_job(tenant, ["legacy"], tables=ids))
    find = whole.find

    def found_just_before(*given: Any) -> Any:
        found = find(*given)
        driving.split(job_id)
        assert driving.finish(job_id)["counts"]["removed"] == 5
        return found

    monkeypatch.setattr(whole, "find", found_just_before)
    page = reading.page(str(job_id), tenant, None)
    assert (page["job"]["status"], page["chunks"], page["items"]) == ("queued", 0, [])
    monkeypatch.setattr(whole, "find", find)
    page = reading.page(str(job_id), tenant, None)
    assert (page["job"]["status"], page["chunks"], len(page["items"])) == ("succeeded", 1, 5)
