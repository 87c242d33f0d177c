"""A browser in which a test clicks and types, and which tells what it complains about."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    expect,
    sync_playwright,
)

from tests.conftest import wanting
from tests.servers import ServerMissing
from tests.support.browser import arguments, program
from tests.support.gateway import Gateway
from tests.support.stack import ROOT

#: how long a test waits for what it expects on a page
PATIENCE_MS = 20_000
expect.set_options(timeout=PATIENCE_MS)
#: the results of axe that keep somebody from using a page
SERIOUS = {"serious", "critical"}


class Window:
    """A browser of its own, with its own cookies, at a gateway's console."""

    def __init__(self, context: BrowserContext, gateway: Gateway) -> None:
        self.context = context
        self.gateway = gateway
        self.console = f"{gateway.url}/console"
        self.complaints: list[str] = []
        self.page = self.tab()

    def tab(self) -> Page:
        """Open another tab."""
        page = self.context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))
        page.on("console", self._note)
        return page

    def _note(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(message.text)

    def sign_in(self, tenant: str, **grant: Any) -> Page:
        """Sign in with a key of the tenant, by typing it."""
        key = self.gateway.credential(tenant, **grant).key
        self.page.goto(f"{self.console}/")
        self.page.get_by_label("API key").fill(key)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_url(f"{self.console}/")
        return self.page

    def refused(self, status: int) -> None:
        """Forget that the browser complained, as it does of every refusal: this one was meant."""
        (said,) = self.complaints
        assert f"status of {status}" in said
        self.complaints.clear()

    def faults(self, label: str) -> list[str]:
        """Return what axe finds serious on the page as it is."""
        violations = Axe().run(self.page).response["violations"]
        return [
            f"{label}: {one['id']}: {[node['html'][:150] for node in one['nodes']]}"
            for one in violations
            if one["impact"] in SERIOUS
        ]

    def faults_on(self, *paths: str) -> list[str]:
        """Return the same of pages, with all that can be opened there."""
        found = []
        for path in paths:
            self.page.goto(f"{self.console}{path}")
            for summary in self.page.locator("details:not([open]) > summary").all():
                if summary.is_visible():
                    summary.click()
            found += self.faults(path)
        return found


class Windows:
    """Opens windows of one browser."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self.opened: list[Window] = []

    def open(self, gateway: Gateway, *, dark: bool = False, width: int = 1280) -> Window:
        """Open a window whose cookies no other has."""
        context = self._browser.new_context(
            color_scheme="dark" if dark else "light", viewport={"width": width, "height": 900}
        )
        window = Window(context, gateway)
        self.opened.append(window)
        return window

    def close(self) -> None:
        """Close all."""
        for window in self.opened:
            window.context.close()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Chromium, which finds no host but loopback; for a module, since it runs an event loop."""
    try:
        found = program()
    except ServerMissing as missing:
        wanting(missing)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=arguments())
        yield browser
        browser.close()


@pytest.fixture
def windows(chromium: Browser) -> Iterator[Windows]:
    """Windows, none of which may complain about anything."""
    opened = Windows(chromium)
    try:
        yield opened
        complaints = [each for window in opened.opened for each in window.complaints]
        assert complaints == []
    finally:
        opened.close()


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Where pictures of pages go: into the documents only if TAGSWEEP_TEST_PICTURES says so."""
    return ROOT / "docs" / "images" if os.environ.get("TAGSWEEP_TEST_PICTURES") else tmp_path
