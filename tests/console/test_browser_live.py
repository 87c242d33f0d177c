"""Parts that load anew by themselves leave whoever reads and types where they were."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect
from sqlalchemy import update

from tagsweep.worker.models.tables import job
from tests.console.conftest import Windows
from tests.support.gateway import Gateway, ended
from tests.support.stores import new_ids

pytestmark = pytest.mark.slow


def _made(gateway: Gateway, tenant: str, *, end: bool = True, **body: Any) -> str:
    with gateway.client(tenant) as client:
        asked = {"kind": "detach", "names": ["legacy"], "tables": new_ids(2), **body}
        made = client.post("/api/v1/jobs/", json=asked)
        if end:
            ended(client, made.headers["location"])
        return str(made.json()["id"])


def _waiting(gateway: Gateway, windows: Windows, tenant: str) -> tuple[str, Page]:
    """Send a job that no worker does; return its id, and its page."""
    made = _made(gateway, tenant, end=False)
    window = windows.open(gateway)
    page = window.sign_in(tenant)
    page.goto(f"{window.console}/jobs/{made}")
    return made, page


@contextmanager
def _loads(page: Page, path: str) -> Iterator[None]:
    """Wait until the part of the page has come anew."""
    with page.expect_response(
        lambda answer: (
            answer.url.endswith(path) and answer.ok and "x-live" in answer.request.headers
        )
    ):
        yield
    page.wait_for_timeout(100)


def _focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.getAttribute('href')"))


def test_the_focus_stays_at_its_job_though_others_come_before_it(
    redis_gateway: Gateway, windows: Windows, tenant: str
) -> None:
    older, old = (_made(redis_gateway, tenant, note=note) for note in ("older", "old"))
    window = windows.open(redis_gateway)
    page = window.sign_in(tenant)
    page.goto(f"{window.console}/jobs")
    for one in (old, older):
        page.locator(f'#list a[href$="{one}"]').focus()
        with _loads(page, "/console/jobs"):
            _made(redis_gateway, tenant, note=f"newer than {one}")
        expect(page.locator("#list")).to_contain_text(f"newer than {one}")
        assert _focused(page).endswith(one)


def test_the_focus_is_on_no_other_button_when_its_own_has_gone(
    idle_gateway: Gateway, windows: Windows, tenant: str
) -> None:
    """Whoever is about to press Enter would do something else."""
    made, page = _waiting(idle_gateway, windows, tenant)
    pause = page.get_by_role("button", name="Pause…")
    pause.focus()
    with idle_gateway.client(tenant) as client:
        client.post(f"/api/v1/jobs/{made}/pause")
    page.evaluate("heard(ALL)")
    expect(page.get_by_role("button", name="Resume…")).to_be_visible()
    assert "/resume" not in _focused(page)
    assert "/cancel" not in _focused(page)
    page.get_by_role("button", name="Cancel…").focus()
    with idle_gateway.client(tenant) as client:
        client.post(f"/api/v1/jobs/{made}/resume")
    page.evaluate("heard(ALL)")  # of a job that no worker has split yet, nothing is told at once
    expect(pause).to_be_visible()
    assert _focused(page).endswith("/cancel")  # it has another place now


def test_whoever_closes_a_question_is_where_they_were_though_the_page_has_loaded_anew(
    idle_gateway: Gateway, windows: Windows, tenant: str
) -> None:
    made, page = _waiting(idle_gateway, windows, tenant)
    page.get_by_role("button", name="Cancel…").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    with idle_gateway.client(tenant) as client:
        client.post(f"/api/v1/jobs/{made}/pause")
    page.evaluate("heard(ALL)")
    expect(page.locator("#progress-title .pill")).to_have_text("paused")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_role("button", name="Cancel…")).to_be_focused()


def test_what_is_marked_and_how_far_was_scrolled_stays(
    redis_gateway: Gateway, windows: Windows, tenant: str
) -> None:
    ids = new_ids(40)
    redis_gateway.store.tag(tenant, "legacy", tables=ids)
    made = _made(redis_gateway, tenant, tables=ids)
    window = windows.open(redis_gateway)
    page = window.sign_in(tenant)
    page.goto(f"{window.console}/jobs/{made}?chunks=0-0")
    items = page.get_by_role("region", name="Items of the chunk")
    items.evaluate("one => { one.scrollTop = 120; }")

    def note(text: str) -> None:
        with redis_gateway.store.transaction() as connection:
            this = update(job).where(job.c.id == made)
            connection.execute(
                this.values(requested_by={"name": text, "door": "cli", "proved": False})
            )

    with _loads(page, "chunks=0-0"):
        note("Grace")
        page.evaluate("heard(ALL)")
    expect(page.locator("#job")).to_contain_text("Grace")
    assert items.evaluate("one => one.scrollTop") == 120
    page.locator("#job .facts dd").first.evaluate("one => getSelection().selectAllChildren(one)")
    note("Ada")
    page.evaluate("heard(ALL)")
    page.wait_for_timeout(3_000)
    assert page.evaluate("getSelection().toString()") == made
    with _loads(page, "chunks=0-0"):
        page.evaluate("getSelection().removeAllRanges()")
    expect(page.locator("#job")).to_contain_text("Ada")


@pytest.mark.parametrize("status", [None, 502])
def test_a_gateway_that_does_not_answer_is_told_and_the_page_stays(
    redis_gateway: Gateway, windows: Windows, tenant: str, status: int | None
) -> None:
    """Neither nothing, nor the page of a proxy in place of a part."""
    redis_gateway.store.tag(tenant, "legacy", tables=new_ids(2))
    made = _made(redis_gateway, tenant, tables="*")
    window = windows.open(redis_gateway)
    page = window.sign_in(tenant)
    page.goto(f"{window.console}/jobs/{made}")
    page.wait_for_timeout(2_500)  # what it loads at first has come

    def fail(route: Route) -> None:
        if status is None:
            route.abort()
        else:
            route.fulfill(status=status, content_type="text/html", body="<h1>Bad Gateway</h1>")

    page.route("**/console/jobs/**", fail)
    page.get_by_role("button", name="Undo…").click()
    told = page.locator("#notice")
    expect(told).to_contain_text("The gateway does not answer. Try again in a moment.")
    page.evaluate("heard(ALL)")
    lost = page.get_by_text("Updates are interrupted")
    expect(lost).to_be_visible()
    expect(page.locator("#progress-title .pill")).to_have_text("succeeded")
    page.unroute("**/console/jobs/**")
    page.evaluate("heard(ALL)")
    expect(lost).to_be_hidden()
    page.get_by_role("button", name="Undo…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    expect(told).to_be_empty()
    page.route("**/console/jobs/**", fail)
    dialog.get_by_role("button", name="Undo").click()
    expect(dialog.get_by_role("alert")).to_contain_text("It may have been done")
    assert page.get_by_text("Bad Gateway").count() == 0
    window.complaints.clear()  # of each answer that did not come
