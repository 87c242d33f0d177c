"""The form for a new clean-up in a real browser: what it helps with."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.console.conftest import Windows
from tests.support.gateway import Gateway
from tests.support.stores import new_ids

pytestmark = pytest.mark.slow


@pytest.mark.not_mapped("the tags of a map cannot be merged")
def test_the_tag_to_merge_into_is_found_by_its_first_letters(
    redis_gateway: Gateway, windows: Windows, tenant: str
) -> None:
    """By keyboard alone: the one that is chosen takes the place of what was typed."""
    ids = new_ids(6)
    redis_gateway.store.tag(tenant, "older", tables=ids)
    redis_gateway.store.tag(tenant, "legacy", tables=ids[:2])
    page = windows.open(redis_gateway).sign_in(tenant)
    page.goto(f"{redis_gateway.url}/console/new?kind=merge&name=older")
    into = page.get_by_label("Into this tag")
    into.press_sequentially("leg", delay=20)
    expect(page.get_by_role("button", name="legacy 2 links")).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(into).to_have_value("legacy")
    expect(into).to_be_focused()
    expect(page.get_by_role("button", name="legacy 2 links")).to_be_hidden()
    page.keyboard.press("Enter")  # sends the form, as in any field of one line
    heading = page.get_by_role("heading", name="6 of 6 items would be merged into legacy")
    expect(heading).to_be_visible()
