"""The form for a new clean-up in a real browser: what it tells, and what a change of it undoes."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import FilePayload, Locator, Page, Route, expect

from tests.console.conftest import Window, Windows
from tests.support.gateway import Gateway
from tests.support.stores import new_ids

pytestmark = pytest.mark.slow

STALE = "The form has changed since the preview"


def _open(gateway: Gateway, windows: Windows, tenant: str, query: str = "?name=legacy") -> Window:
    window = windows.open(gateway)
    window.sign_in(tenant)
    window.page.goto(f"{window.console}/new{query}")
    return window


def _previewed(page: Page, title: str) -> Locator:
    page.get_by_role("button", name="Preview").click()
    heading = page.get_by_role("heading", name=title)
    expect(heading).to_be_visible()
    return heading


def test_a_preview_comes_into_sight_with_the_focus_and_what_was_refused_before_is_gone(
    redis_gateway: Gateway, windows: Windows, tenant: str
) -> None:
    redis_gateway.store.tag(tenant, "legacy", tables=new_ids(3))
    window = _open(redis_gateway, windows, tenant)
    page = window.page
    page.locator("#ids-tables").fill("nonsense")
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("#notice")).to_contain_text("Must be a valid UUID.")
    window.refused(400)
    page.locator("#ids-tables").fill("")
    page.locator("input[name=which-tables]").check()
    heading = _previewed(page, "3 of 3 items would be removed")
    expect(heading).to_be_focused()
    expect(heading).to_be_in_viewport()
    expect(page.locator("#notice")).to_be_empty()


def _change(field: Locator) -> None:
    """Give a field of the form something else, as a person does."""
    kind = field.get_attribute("type")
    if kind in ("checkbox", "radio"):
        field.evaluate("one => one.click()")
    elif kind == "file":
        given = FilePayload(name="ids.txt", mimeType="text/plain", buffer=new_ids(1)[0].encode())
        field.set_input_files(given)
    elif kind == "datetime-local":
        field.evaluate("one => { one.value = '2026-01-31T12:00'; }")
        field.dispatch_event("input")
    else:
        field.evaluate("one => { one.value += '1'; }")
        field.dispatch_event("input")


def test_whatever_is_changed_in_the_form_takes_the_preview_away(
    redis_gateway: Gateway, windows: Windows, tenant: str
) -> None:
    """Or a run would do something else than the form says."""
    redis_gateway.store.tag(tenant, "legacy", tables=new_ids(3))
    page = _open(redis_gateway, windows, tenant).page
    selector = "#new :is(input, textarea, select):not([type=hidden], [type=search], [value=detach])"
    number = page.locator(selector).count()
    assert number > 30
    for place in range(number):
        page.goto(page.url)
        page.locator("#new").evaluate("one => one.reset()")
        page.locator("input[name=which-tables]").check()
        _previewed(page, "3 of 3 items would be removed")
        _change(page.locator(selector).nth(place))
        expect(page.locator("#stale")).to_contain_text(STALE)
        expect(page.get_by_role("button", name="Run:")).to_have_count(0)
    page.locator("#new").evaluate("one => one.reset()")
    page.locator("input[name=which-tables]").check()
    _previewed(page, "3 of 3 items would be removed")
    expect(page.locator("#stale")).to_be_empty()
    page.get_by_label("Look for a tag").press_sequentially("lega")
    expect(page.get_by_role("button", name="Run: 3 items")).to_be_visible()  # it only looks
    page.get_by_role("button", name="legacy 3 links").click()
    expect(page.locator("#stale")).to_contain_text(STALE)


def test_a_preview_that_is_overtaken_by_a_change_is_not_shown(
    redis_gateway: Gateway, windows: Windows, tenant: str
) -> None:
    redis_gateway.store.tag(tenant, "legacy", tables=new_ids(3))
    window = _open(redis_gateway, windows, tenant)
    page = window.page
    held: list[Route] = []
    page.route("**/console/new", lambda route: held.append(route))  # noqa: PLW0108  # Playwright takes no method of a list
    page.locator("input[name=which-tables]").check()
    with page.expect_request("**/console/new"):
        page.get_by_role("button", name="Preview").click()
    page.get_by_label("Tags, one a line", exact=True).fill("another")
    page.wait_for_timeout(200)
    (route,) = held
    route.continue_()
    expect(page.locator("#stale")).to_contain_text(STALE)
    expect(page.locator("#outcome")).to_be_empty()
    page.unroute("**/console/new")
    _previewed(page, "0 of 0 items would be removed")


def test_the_number_is_typed_and_enter_runs(
    redis_gateway: Gateway, windows: Windows, tenant: str
) -> None:
    redis_gateway.store.tag(tenant, "legacy", tables=new_ids(10_000))
    window = _open(redis_gateway, windows, tenant)
    page = window.page
    page.locator("input[name=which-tables]").check()
    _previewed(page, "10,000 of 10,000 items would be removed")
    typed = page.get_by_label("Type 10000 to confirm")
    typed.fill("9999")
    page.keyboard.press("Enter")
    expect(page.locator("#notice")).to_contain_text("Type the number 10000 to confirm")
    window.refused(400)
    typed.fill("10,000")
    page.keyboard.press("Enter")
    page.wait_for_url("**/jobs/*")
    expect(page.locator("#progress-title .pill").first).to_have_text("succeeded", timeout=60_000)


def test_each_list_tells_what_of_it_is_chosen_also_while_it_is_closed(
    redis_gateway: Gateway, windows: Windows, tenant: str, tmp_path: Path
) -> None:
    window = _open(redis_gateway, windows, tenant)
    page = window.page
    tables = page.locator('[data-chosen="tables"]')
    file = tmp_path / "ids.txt"
    file.write_text("\n".join(new_ids(1_234)))
    page.locator('input[data-into="ids-tables"]').set_input_files(file)
    expect(tables).to_have_text("1,234 ids")
    page.locator("summary", has_text="tables").click()
    expect(page.locator("#ids-tables")).to_be_hidden()
    expect(tables).to_be_visible()
    page.locator("input[name=which-tables]").evaluate("one => one.click()")
    expect(tables).to_contain_text("choose one of both")
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("#notice")).to_contain_text("tables: choose all of them, or give ids")
    window.refused(400)
    page.get_by_label("Attach: put tags on resources").check()
    expect(tables).to_have_text("1,234 ids")  # what is attached is given by its ids
