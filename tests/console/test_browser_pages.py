"""Pages in a real browser: what the form helps with, on a phone, and on paper."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.console.conftest import Windows
from tests.support.gateway import Gateway, ended
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


LONG = "a-name-" + "x" * 193


def _is_wider_than_its_window(page: Page) -> bool:
    script = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    return bool(page.evaluate(script))


def test_on_a_phone_nothing_is_beside_the_page(
    redis_gateway: Gateway, windows: Windows, tenant: str
) -> None:
    """With a name of 200 characters, and with a question open, which Escape closes."""
    ids = new_ids(3)
    redis_gateway.store.tag(tenant, LONG, tables=ids)
    with redis_gateway.client(tenant) as client:
        body = {"kind": "detach", "names": [LONG], "tables": ids, "note": "n" * 400}
        done = ended(client, client.post("/api/v1/jobs/", json=body).headers["location"])
    window = windows.open(redis_gateway, width=390)
    page = window.sign_in(tenant, name="Ada Lovelace")
    for path in ("", "jobs", "tags", "audit", "new", "new?kind=merge", "new?kind=set"):
        page.goto(f"{window.console}/{path}")
        for options in page.locator("details").all():
            options.evaluate("one => { one.open = true; }")
        assert not _is_wider_than_its_window(page), path
    page.goto(f"{window.console}/jobs/{done['id']}")
    assert not _is_wider_than_its_window(page)
    page.get_by_role("button", name="Undo…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    box = dialog.bounding_box()
    assert box is not None
    assert box["x"] >= 8
    assert box["x"] + box["width"] <= 382
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("button", name="Undo…")).to_be_focused()


def test_a_page_is_printed_dark_on_white_and_without_what_is_to_be_clicked(
    redis_gateway: Gateway, windows: Windows, tenant: str
) -> None:
    redis_gateway.store.tag(tenant, "legacy", tables=new_ids(3))
    window = windows.open(redis_gateway, dark=True)
    page = window.sign_in(tenant)
    page.goto(f"{window.console}/tags")
    page.emulate_media(media="print")
    colour = page.evaluate("getComputedStyle(document.body).color")
    assert max(map(int, re.findall(r"\d+", colour))) < 100
    expect(page.locator("nav[aria-label=Pages]")).to_be_hidden()
    expect(page.locator("main button").first).to_be_hidden()
    expect(page.get_by_text("legacy").first).to_be_visible()
