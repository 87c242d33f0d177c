"""Questions in a real browser: what is asked, refused and shown in a dialog, by mouse and keys."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.console.conftest import Window, Windows
from tests.support.gateway import Gateway
from tests.support.receivers import Receiver
from tests.support.stack import eventually
from tests.support.stores import new_ids

pytestmark = [pytest.mark.slow, pytest.mark.default_configuration]

LOOKS = pytest.mark.parametrize(
    "dark, width",
    [(False, 1280), (True, 1280), (False, 390), (True, 390)],
    ids=["light", "dark", "light-phone", "dark-phone"],
)


def _ask(page: Page, name: str) -> None:
    """Open a question."""
    page.get_by_role("button", name=name, exact=True).click()
    expect(page.get_by_role("dialog")).to_be_visible()


def _answer(page: Page, name: str) -> None:
    page.get_by_role("dialog").get_by_role("button", name=name, exact=True).click()


def _keep(page: Page) -> None:
    """Close a question by the keyboard: the focus is where it was."""
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()


def _shown_secret(page: Page) -> str:
    secret = page.get_by_role("dialog").locator("#copy-secret")
    expect(secret).to_contain_text("whsec_")
    return secret.inner_text()


def _make(page: Page, receiver: Receiver, path: str) -> None:
    """Make a webhook, and come to its page."""
    _ask(page, "New webhook…")
    page.get_by_label("Address").fill(receiver.url(path))
    page.get_by_label("detach").check()
    page.keyboard.press("Enter")
    receiver.secrets[path] = [_shown_secret(page)]
    page.get_by_role("link", name="I have copied it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(receiver.url(path))


def test_a_webhook_is_made_and_tried_and_its_page_shows_at_once_what_arrives(
    hook_gateway: Gateway, windows: Windows, receiver: Receiver, tenant: str
) -> None:
    page = windows.open(hook_gateway).sign_in(tenant)
    page.get_by_role("link", name="Webhooks").click()
    _make(page, receiver, "/a")
    receiver.answers["/a"] = 503
    _ask(page, "Send a test…")
    _answer(page, "Send it")
    expect(page.locator("#hook")).to_contain_text("All attempts")  # nobody reloads it
    receiver.answers["/a"] = 204
    expect(page.locator("#hook")).to_contain_text("It answered 204")  # nor again
    assert len(receiver.ids("/a")) == 1
    _ask(page, "New secret…")
    _answer(page, "Make it")
    receiver.secrets["/a"].append(_shown_secret(page))
    page.keyboard.press("Escape")  # a slip loses no secret
    expect(page.get_by_role("dialog")).to_be_visible()
    page.get_by_role("link", name="I have copied it").click()
    expect(page.locator("#hook")).to_contain_text("the one before signs too until")
    page.get_by_role("button", name="Send test.", exact=False).first.click()
    _answer(page, "Send it again")
    eventually(lambda: len(receiver.ids("/a")) == 2)
    assert receiver.forged == []
    page.go_back()
    page.go_back()
    assert "whsec_" not in page.content()
    page.get_by_role("link", name="Webhooks").first.click()
    page.get_by_role("link", name=receiver.url("/a")).click()
    _ask(page, "Delete…")
    _answer(page, "Delete the webhook")
    expect(page.get_by_text("There is no webhook yet.")).to_be_visible()


def test_a_refused_webhook_stays_in_the_form_with_what_was_typed(
    hook_gateway: Gateway, windows: Windows, tenant: str
) -> None:
    window = windows.open(hook_gateway)
    page = window.sign_in(tenant)
    page.get_by_role("link", name="Webhooks").click()
    _ask(page, "New webhook…")
    page.get_by_label("Address").fill("https://169.254.169.254/")
    page.get_by_label("merge").check()
    _answer(page, "Make it")
    expect(page.locator("#url-fault")).to_contain_text("is no public address")
    field = page.get_by_label("Address")
    expect(field).to_have_value("https://169.254.169.254/")
    expect(field).to_be_focused()
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("merge")).to_be_checked()
    window.refused(422)
    assert window.faults("a refused webhook") == []
    _keep(page)


def test_what_is_refused_is_told_in_the_dialog_that_is_open(
    redis_gateway: Gateway, windows: Windows, tenant: str
) -> None:
    redis_gateway.store.tag(tenant, "legacy", tables=new_ids(1))
    window = windows.open(redis_gateway)
    page = window.sign_in(tenant)
    page.get_by_role("link", name="Tags", exact=True).click()
    _ask(page, "New tag…")
    page.get_by_label("Name", exact=True).fill("legacy")
    _answer(page, "Create")
    told = page.get_by_role("dialog").get_by_role("alert")
    expect(told).to_contain_text("already exists")
    expect(page.locator("#notice")).to_be_empty()
    window.refused(400)
    assert window.faults("a refused tag") == []
    page.get_by_label("Name", exact=True).fill("legacy-2")
    _answer(page, "Create")
    page.wait_for_url("**/tags?name=legacy-2")
    _ask(page, "Rename legacy-2")
    expect(page.get_by_role("dialog").get_by_role("alert")).to_be_empty()


@LOOKS
def test_axe_finds_nothing_serious_on_the_pages_and_dialogs_of_webhooks(  # noqa: PLR0913, PLR0917  # fixtures
    hook_gateway: Gateway,
    windows: Windows,
    receiver: Receiver,
    tenant: str,
    dark: bool,  # noqa: FBT001  # a parameter of the test
    width: int,
) -> None:
    window = windows.open(hook_gateway, dark=dark, width=width)
    page = window.sign_in(tenant)
    found = window.faults_on("/webhooks")
    _make(page, receiver, "/a")
    own = page.url.removeprefix(window.console)
    receiver.answers["/a"] = 503
    _ask(page, "Send a test…")
    _answer(page, "Send it")
    expect(page.locator("#hook")).to_contain_text("All attempts")  # it looks again by itself
    found += window.faults_on(
        "/webhooks", own, f"{own}/rotate", f"{own}?state=failed", f"{own}?again=2"
    )
    page.goto(f"{window.console}{own}")
    for name in ("Change…", "New secret…", "Switch off…", "Delete…", "Send again since…"):
        _ask(page, name)
        found += window.faults(name)
        _keep(page)
    _ask(page, "New secret…")
    _answer(page, "Make it")
    receiver.secrets["/a"].append(_shown_secret(page))
    found += window.faults("a secret")
    page.goto(f"{window.console}/webhooks")
    _ask(page, "Make a callback secret…")
    found += window.faults("a callback secret")
    assert found == []
    assert _overflow(window) == 0


@LOOKS
def test_axe_finds_nothing_serious_where_tags_are_made_renamed_merged_and_deleted(
    redis_gateway: Gateway,
    windows: Windows,
    tenant: str,
    dark: bool,  # noqa: FBT001  # a parameter of the test
    width: int,
) -> None:
    ids = new_ids(20)
    redis_gateway.store.tag(tenant, "legacy", tables=ids)
    redis_gateway.store.tag(tenant, "new", tables=ids[:5])
    window = windows.open(redis_gateway, dark=dark, width=width)
    page = window.sign_in(tenant)
    found = window.faults_on("/tags", "/tags/new")
    page.goto(f"{window.console}/tags")
    for name in ("New tag…", "Rename legacy"):
        _ask(page, name)
        found += window.faults(name)
        _keep(page)
    assert _overflow(window) == 0
    page.get_by_role("link", name="Merge legacy into another").click()
    page.get_by_label("Into this tag").fill("new")
    page.get_by_label("Delete the tags that are left without links").check()
    page.get_by_role("button", name="Preview").click()
    heading = page.get_by_role("heading", name="20 of 20 items would be merged into new")
    expect(heading).to_be_visible()
    found += window.faults("the preview of a merge")
    assert _overflow(window) == 0
    page.goto(f"{window.console}/tags")
    page.get_by_role("link", name="Delete legacy").click()
    found += window.faults("the deletion of a tag")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("heading", name="20 of 20 items would be removed")).to_be_visible()
    found += window.faults("the preview of a deletion")
    assert _overflow(window) == 0
    page.get_by_role("button", name="Run: 20 items, delete the tags").click()
    page.wait_for_url("**/jobs/*")
    expect(page.locator("#progress-title .pill").first).to_have_text("succeeded")
    found += window.faults("the job of a deletion")
    assert found == []


def _overflow(window: Window) -> int:
    """Return by how much the page is wider than the window: it is not to scroll sideways."""
    script = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    return int(window.page.evaluate(script))
