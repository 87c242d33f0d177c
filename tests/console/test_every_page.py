"""What holds for every page and every dialog of the console, whichever are added."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.console import everything
from tests.console.conftest import Window, Windows
from tests.console.everything import ID, Everything
from tests.support.console import Person, signed_in
from tests.support.gateway import Gateway
from tests.support.receivers import Receiver
from tests.support.stores import new_tenant

pytestmark = [pytest.mark.slow, pytest.mark.default_configuration]

MARKUP = '<img src=x onerror="alert(1)">'
#: long, of characters that nothing breaks, and from right to left
NAME = "שלום-" + "x" * 90
LOOKS = [(False, 1280), (True, 1280), (False, 390), (True, 390)]


@pytest.fixture
def there(hook_gateway: Gateway, receiver: Receiver, tenant: str) -> Iterator[Everything]:
    """A tenant with one of everything, whose names are hard to show."""
    found = everything.made(hook_gateway, receiver, tenant, NAME)
    yield found
    everything.ends(found)


@pytest.mark.parametrize("dark, width", LOOKS, ids=["light", "dark", "phone", "dark-phone"])
def test_every_page_and_dialog_can_be_used_by_everybody_and_fits_its_window(
    windows: Windows,
    there: Everything,
    dark: bool,  # noqa: FBT001  # a parameter of the test
    width: int,
) -> None:
    gateway, found, asked = there.gateway, list[str](), set[str]()
    window = windows.open(gateway, dark=dark, width=width)
    window.page.goto(f"{window.console}/sign-in")
    found += _faults(window, "sign in")
    for tenant in (there.tenant, ""):
        window = windows.open(gateway, dark=dark, width=width)
        page = window.sign_in(tenant, admin=not tenant, name=NAME)
        for path in there.pages():
            answer = page.goto(f"{gateway.url}{path}")
            assert answer is not None
            if answer.status != 200:  # it is for the other one alone
                assert answer.status == 403, path
                window.refused(403)
                continue
            found += _faults(window, path)
            found += _dialogs(window, path, asked)
    assert found == []
    assert asked == there.questions()


def _faults(window: Window, path: str) -> list[str]:
    """Return what is wrong with the page as it is, with all that can be opened there."""
    page = window.page
    assert page.title() not in {"", "· tagsweep"}, path
    page.locator("details").evaluate_all("all => all.forEach(one => { one.open = true; })")
    script = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    wide = page.evaluate(script)
    return [*window.faults(path), *([f"{path}: {wide} px beside the page"] if wide else [])]


def _dialogs(window: Window, path: str, asked: set[str]) -> list[str]:
    """Open each dialog of the page that was not seen yet, and close it by the keyboard."""
    page, found = window.page, list[str]()
    buttons = page.locator('[hx-target="#dialog-body"]')
    for place in range(buttons.count()):
        button = buttons.nth(place)
        target = str(button.get_attribute("hx-get")).partition("?")[0]
        if ID.sub("ID", target) in asked:
            continue
        asked.add(ID.sub("ID", target))
        button.focus()
        page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog")
        expect(dialog).to_be_visible()
        assert dialog.get_by_role("heading").count() == 1
        inside = "document.getElementById('dialog').contains(document.activeElement)"
        assert page.evaluate(inside), target
        box = dialog.bounding_box()
        assert box is not None
        assert box["x"] >= 0 <= page.viewport_size["width"] - box["x"] - box["width"]  # type: ignore[index]  # it has one
        found += _faults(window, f"{path}: {target}")
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        expect(button).to_be_focused()
    return found


def test_what_anybody_names_is_shown_as_text_on_every_page(
    hook_gateway: Gateway, receiver: Receiver, tenant: str
) -> None:
    there, shown = everything.made(hook_gateway, receiver, tenant, MARKUP), 0
    with (
        signed_in(hook_gateway, tenant, name=MARKUP) as person,
        signed_in(hook_gateway, "", admin=True, name=MARKUP) as admin,
    ):
        for one in (person, admin):
            for path in there.pages():
                for headers in ({}, {"hx-request": "true"}):
                    text = one.get(path, headers=headers).text
                    assert "<img" not in text, path
                    shown += html.unescape(text).count(MARKUP)
    everything.ends(there)
    assert shown > 50


@pytest.mark.parametrize(
    "scopes",
    [("read",), ("read", "preview"), ("read", "write"), ("read", "undo"), ("read", "approve")],
    ids=lambda scopes: scopes[-1],
)
def test_a_page_has_no_link_and_no_button_that_its_key_does_not_allow(
    there: Everything, scopes: tuple[str, ...]
) -> None:
    with (
        signed_in(there.gateway, there.tenant, scopes=scopes) as person,
        signed_in(there.gateway, "", admin=True, scopes=scopes) as admin,
    ):
        for one in (person, admin):
            pages = [path for path in there.pages() if one.get(path).status_code == 200]
            assert "/console/jobs" in pages
            for path in pages:
                for target in _targets(one, path):
                    answer = one.get(target)
                    assert answer.status_code in (200, 303), f"{path} leads to {target}"


def _targets(person: Person, path: str) -> set[str]:
    """Return where a page leads: links, questions, and forms, as far as they have a page."""
    text = html.unescape(person.get(path).text)
    found = {*re.findall(r'(?:href|action|hx-get)="(/console/[^"]*)"', text)}
    return {one for one in found if not one.startswith(("/console/sign-", "/console/static/"))}


def test_what_is_of_another_tenant_is_nowhere(there: Everything) -> None:
    """Whichever id of theirs is in an address, and whichever form is sent to it."""
    with (
        signed_in(there.gateway, new_tenant()) as stranger,
        there.gateway.client(there.tenant) as client,
    ):

        def all_of_it() -> list[str]:
            paths = ("jobs/", "tags/", "webhooks/")
            known = [client.get(f"/api/v1/{path}").json()["results"] for path in paths]
            return [str(sorted(one["id"] for one in some)) for some in known]

        before = all_of_it()
        with_ids = {one for one in everything.routes("GET") if "_id}" in one}
        files = {one for one in with_ids if "receipt." in one}
        own = [path for route in with_ids - files for path in there.paths(route)]
        own += [f"/console/jobs/{one}/receipt.csv" for one in there.jobs.values()]
        form = {"typed": "3", "token": "t", "name": "theirs", "url": "https://203.0.113.9/"}
        for path in own:
            answers = [stranger.get(path), stranger.get(path, headers={"hx-request": "true"})]
            answers.append(stranger.submit(path, **form, since="2026-01-01T00:00", replaced=""))
            for answer in answers:
                assert answer.status_code in (403, 404, 405), path
                assert NAME not in html.unescape(answer.text), path
        for path in ("/console/jobs", "/console/audit", "/console/all/cancel"):
            assert stranger.get(path, params={"tenant": there.tenant}).status_code == 403, path
        for action in ("cancel", "retry"):
            answer = stranger.submit(f"/console/all/{action}", tenant=there.tenant, typed="3")
            assert answer.status_code == 403
        for path in there.pages():
            assert NAME not in html.unescape(stranger.get(path).text), path
        assert all_of_it() == before
