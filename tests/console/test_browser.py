"""The console in a real browser: by mouse, by keyboard, live, in many tabs, for everybody."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from tagsweep.producer.gateway.auth import credentials, listing, sessions
from tagsweep.worker.activity.throughput import MINUTE
from tagsweep.worker.models.tables import clock, throughput
from tests.chaos import scale
from tests.console.conftest import Windows
from tests.support.gateway import Gateway, ended, serving
from tests.support.stack import ServerStack, eventually
from tests.support.stores import new_ids, new_tenant

pytestmark = pytest.mark.slow

MARKUP = "<img src=x onerror=alert(1)>"
#: ids of a running job whose page is open
LARGE = scale.pick(short=20_000, long=1_000_000)


def _tagged(gateway: Gateway, tenant: str, many: int = 30) -> list[str]:
    ids = new_ids(many, 7)
    gateway.store.tag(tenant, "legacy", tables=ids)
    gateway.store.tag(tenant, "legacy-2", folders=ids[:3])
    return ids


def _until(page: Page, status: str) -> None:
    """Wait until the job of the page has this status; nobody reloads it."""
    expect(page.locator("#progress-title .pill").first).to_have_text(status, timeout=30_000)


def test_a_whole_clean_up_by_mouse(
    redis_gateway: Gateway, windows: Windows, tenant: str, pictures: Path
) -> None:
    _tagged(redis_gateway, tenant)
    store = redis_gateway.store
    before = store.links(tenant)
    for dark in (False, True):
        mode = "dark" if dark else "light"
        window = windows.open(redis_gateway, dark=dark)
        page = window.sign_in(tenant, name="Ada Lovelace")
        page.get_by_role("link", name="New clean-up").click()
        page.get_by_label("Look for a tag").press_sequentially("lega", delay=20)
        page.get_by_role("button", name="legacy 30 links").click()
        page.locator("input[name=which-tables]").check()
        page.get_by_role("button", name="Preview").click()
        expect(page.get_by_role("heading", name="30 of 30 items would be removed")).to_be_visible()
        page.screenshot(path=pictures / f"console-preview-{mode}.png", full_page=True)
        assert store.links(tenant) == before
        page.get_by_role("button", name="Run: 30 items").click()
        page.wait_for_url("**/jobs/*")
        _until(page, "succeeded")
        assert len(store.links(tenant)) == 3
        page.screenshot(path=pictures / f"console-job-{mode}.png")
        with page.expect_download() as download:
            page.get_by_role("link", name="CSV").click()
        assert Path(download.value.path()).read_text().count("removed") == 30
        page.get_by_role("button", name="Undo…").click()
        expect(page.get_by_role("dialog")).to_contain_text("reverts the 30 changes")
        page.get_by_role("dialog").get_by_role("button", name="Undo").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("undo job")
        _until(page, "succeeded")
        assert store.links(tenant) == before
        page.get_by_role("link", name="Jobs", exact=True).click()
        page.screenshot(path=pictures / f"console-jobs-{mode}.png")


def _work_for_an_hour(gateway: Gateway, tenant: str) -> None:
    """Let the store know of a day's work as if it had been done in the last hour."""
    draw = random.Random(4)  # noqa: S311  # no secret
    rate = 9_000
    with gateway.store.transaction() as connection:
        now = connection.execute(select(clock())).scalar_one().replace(second=0, microsecond=0)
        for minutes in range(1, 60):
            rate = max(0, rate + draw.randint(-4_000, 4_000))
            done = {"tenant": tenant, "kind": "detach", "minute": now - minutes * MINUTE}
            connection.execute(throughput.insert(), {**done, "items": rate * 60})


def test_an_overview_shows_the_last_hour_and_leaves_open_what_was_opened(
    redis_gateway: Gateway, windows: Windows, tenant: str, pictures: Path
) -> None:
    _work_for_an_hour(redis_gateway, tenant)
    ids = _tagged(redis_gateway, tenant, 1_200)
    modes = {"dark": windows.open(redis_gateway, dark=True), "light": windows.open(redis_gateway)}
    for mode, window in modes.items():
        page = window.sign_in("", admin=True, name="Ada Lovelace")
        expect(page.locator(".chart .bar")).not_to_have_count(0)
        expect(page.locator("#workers-title + .scroll tbody tr").first).to_be_visible()
        expect(page.get_by_text("All that was checked")).to_be_visible()
        page.screenshot(path=pictures / f"console-overview-{mode}.png")
    page = modes["light"].page
    summary = page.locator("#hour-title ~ details > summary")
    summary.click()
    summary.focus()
    expect(page.get_by_role("region", name="The last hour as a table")).to_be_visible()
    with redis_gateway.client(tenant) as client:
        body = {"kind": "detach", "names": ["legacy"], "tables": ids, "note": "just now"}
        ended(client, client.post("/api/v1/jobs/", json=body).headers["location"])
    expect(page.locator("#overview")).to_contain_text("just now")  # it has loaded anew
    expect(page.get_by_role("region", name="The last hour as a table")).to_be_visible()
    expect(summary).to_be_focused()


def _tab_to(page: Page, name: str, role: str | None = None) -> None:
    """Press Tab until the element with this accessible name has the focus."""
    script = """() => {
      const at = document.activeElement;
      const label = at.labels && at.labels[0] ? at.labels[0].textContent : "";
      return [at.getAttribute("aria-label") || label || at.textContent || "", at.tagName];
    }"""
    for _ in range(80):
        page.keyboard.press("Tab")
        text, tag = page.evaluate(script)
        if name in " ".join(text.split()) and role in (None, tag.lower()):
            return
    pytest.fail(f"Tab does not reach {name}")


def test_a_whole_clean_up_by_keyboard_alone(
    redis_gateway: Gateway, windows: Windows, tenant: str
) -> None:
    _tagged(redis_gateway, tenant)
    before = redis_gateway.store.links(tenant)
    window = windows.open(redis_gateway)
    page = window.page
    page.goto(f"{window.console}/")
    page.keyboard.type(redis_gateway.credential(tenant).key)  # the field has the focus
    page.keyboard.press("Enter")
    page.wait_for_url(f"{window.console}/")
    _tab_to(page, "New clean-up")
    page.keyboard.press("Enter")
    page.wait_for_url("**/new")
    _tab_to(page, "Tags, one a line")
    page.keyboard.type("legacy")
    _tab_to(page, "all that carry the tags")
    page.keyboard.press("Space")
    _tab_to(page, "Preview", "button")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="30 of 30 items would be removed")).to_be_visible()
    _tab_to(page, "Run: 30 items")
    page.keyboard.press("Enter")
    page.wait_for_url("**/jobs/*")
    _until(page, "succeeded")
    page.keyboard.press("Home")
    _tab_to(page, "Undo…")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")  # the first thought
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.keyboard.press("Enter")  # the focus is where it was
    expect(page.get_by_role("dialog")).to_be_visible()
    _tab_to(page, "Undo", "button")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("undo job")
    _until(page, "succeeded")
    assert redis_gateway.store.links(tenant) == before


def test_the_bars_of_a_running_job_move_though_a_worker_is_killed(
    idle_stack: ServerStack, windows: Windows, tenant: str
) -> None:
    settings = {"chunk_size": LARGE // 40, "max_rate": LARGE // 8}
    with serving(idle_stack, inline_items=0, **settings) as gateway:
        ids = new_ids(LARGE, 3)
        gateway.store.tag(tenant, "legacy", tables=ids)
        first = idle_stack.start_worker(**settings)
        idle_stack.start_worker(**settings)
        idle_stack.wait()
        window = windows.open(gateway)
        page = window.sign_in(tenant)
        with gateway.client(tenant) as client:
            body = {"kind": "detach", "names": ["legacy"], "tables": "*"}
            made = client.post("/api/v1/jobs/", json=body)
            page.goto(f"{window.console}/jobs/{made.json()['id']}")
            widths = {_width(page)}
            eventually(lambda: _moves(page, widths), seconds=30)
            first.kill()
            eventually(lambda: _moves(page, widths), seconds=60)
            _until(page, "succeeded")
            assert ended(client, made.headers["location"])["counts"]["removed"] == len(ids)
        assert _width(page) == 100
        expect(page.locator("#counts-title ~ .legend")).to_contain_text(f"{LARGE:,} removed")


def _width(page: Page) -> float:
    return float(page.locator("#job .progress .fill").first.get_attribute("width") or 0)


def _moves(page: Page, seen: set[float]) -> bool:
    """Return whether the bar is now somewhere between where it was and the end."""
    page.wait_for_timeout(50)
    width = _width(page)
    moved = max(seen) < width < 100
    seen.add(width)
    return moved


def _choose(page: Page, ids: list[str], folder: Path) -> None:
    file = folder / "ids.txt"
    file.write_text("\n".join(ids))
    page.locator('input[data-into="ids-tables"]').set_input_files(file)


def _drop(page: Page, ids: list[str], _: Path) -> None:
    script = """text => {
      const dropped = new DataTransfer();
      dropped.items.add(new File([text], "ids.txt", { type: "text/plain" }));
      return dropped;
    }"""
    given = {"dataTransfer": page.evaluate_handle(script, "\n".join(ids))}
    page.dispatch_event("#ids-tables", "dragover", given)
    page.dispatch_event("#ids-tables", "drop", given)


@pytest.mark.parametrize("give, number", [(_choose, 1_000), (_drop, 100_000)])
def test_a_file_that_is_chosen_or_dropped_in_becomes_a_list_of_the_form(  # noqa: PLR0913, PLR0917  # fixtures
    redis_gateway: Gateway,
    windows: Windows,
    tenant: str,
    tmp_path: Path,
    give: Callable[[Page, list[str], Path], None],
    number: int,
) -> None:
    ids = new_ids(number, 5)
    redis_gateway.store.tag(tenant, "legacy", tables=ids[:40])
    page = windows.open(redis_gateway).sign_in(tenant)
    page.get_by_role("link", name="New clean-up").click()
    page.get_by_label("Tags, one a line", exact=True).fill("legacy")
    give(page, ids, tmp_path)
    script = """last => document.getElementById("ids-tables").value.endsWith(last)"""
    page.wait_for_function(script, arg=ids[-1], timeout=60_000)
    page.get_by_role("button", name="Preview").click()
    heading = page.get_by_role("heading", name=f"40 of {number:,} items would be removed")
    expect(heading).to_be_visible(timeout=60_000)


def test_eight_tabs_have_one_stream_and_all_move(
    redis_gateway: Gateway, windows: Windows, tenant: str
) -> None:
    _tagged(redis_gateway, tenant)
    window = windows.open(redis_gateway)
    window.sign_in(tenant)
    before = _open_feeds(redis_gateway)
    tabs = [window.page, *(window.tab() for _ in range(7))]
    for tab in tabs:
        tab.goto(f"{window.console}/jobs")
    for tab in tabs:
        expect(tab.locator("#list")).to_contain_text("No job fits")
    eventually(lambda: _open_feeds(redis_gateway) <= max(before, 1), seconds=10)
    with redis_gateway.client(tenant) as client:
        made = client.post(
            "/api/v1/jobs/", json={"kind": "detach", "names": ["legacy"], "tables": "*"}
        )
        ended(client, made.headers["location"])
    for tab in tabs:
        tab.bring_to_front()
        expect(tab.locator("#list")).to_contain_text("detach legacy from all tables")


def _open_feeds(gateway: Gateway) -> float:
    text = httpx.get(f"{gateway.url}/metrics").text
    return float(re.findall(r"^tagsweep_open_feeds (\S+)", text, re.MULTILINE)[0])


def test_two_tenants_each_see_their_own(redis_gateway: Gateway, windows: Windows) -> None:
    tenants = [new_tenant(), new_tenant()]
    pages = []
    for tenant in tenants:
        with redis_gateway.client(tenant) as client:
            body = {"kind": "detach", "names": [f"of-{tenant}"], "tables": "*"}
            ended(client, client.post("/api/v1/jobs/", json=body).headers["location"])
        page = windows.open(redis_gateway).sign_in(tenant)
        page.get_by_role("link", name="Jobs", exact=True).click()
        pages.append(page)
    for page, own, other in zip(pages, tenants, tenants[::-1], strict=True):
        expect(page.locator("#list")).to_contain_text(f"of-{own}")
        expect(page.locator("#list")).not_to_contain_text(f"of-{other}")


def test_a_page_whose_session_has_ended_asks_to_sign_in(
    redis_gateway: Gateway, windows: Windows, tenant: str
) -> None:
    window = windows.open(redis_gateway)
    page = window.sign_in(tenant, name="soon gone")
    page.goto(f"{window.console}/jobs")
    with redis_gateway.store.transaction() as connection:
        (own,) = listing.listed(connection, tenant)
        credentials.revoke(connection, own["id"])
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_a_link_signs_in_and_leaves_nothing_in_the_address(
    redis_gateway: Gateway, windows: Windows, tenant: str
) -> None:
    created = redis_gateway.credential(tenant)
    with redis_gateway.store.transaction() as connection:
        token = sessions.make_link(connection, created.id)
    window = windows.open(redis_gateway)
    window.page.goto(f"{window.console}/sign-in#{token}")
    window.page.wait_for_url(f"{window.console}/")
    expect(window.page.get_by_role("heading", name="Overview")).to_be_visible()
    assert token not in redis_gateway.log


def test_markup_in_names_and_notes_is_inert(
    redis_gateway: Gateway, windows: Windows, tenant: str
) -> None:
    redis_gateway.store.tag(tenant, MARKUP, tables=new_ids(1))
    with redis_gateway.client(tenant, name=MARKUP) as client:
        body = {"kind": "detach", "names": [MARKUP], "tables": "*", "note": MARKUP}
        done = ended(client, client.post("/api/v1/jobs/", json=body).headers["location"])
    window = windows.open(redis_gateway)
    page = window.sign_in(tenant, name=MARKUP)
    for path in ("/", "/jobs", f"/jobs/{done['id']}", "/tags", "/new?name=%3Cimg%20src%3Dx%3E"):
        page.goto(f"{window.console}{path}")
        expect(page.locator("main img")).to_have_count(0)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_serious_on_any_page(
    redis_gateway: Gateway, windows: Windows, *, dark: bool, width: int
) -> None:
    tenant = new_tenant()
    _tagged(redis_gateway, tenant)
    with redis_gateway.client(tenant) as client:
        body = {"kind": "detach", "names": ["legacy", "no-such"], "tables": "*"}
        done = ended(client, client.post("/api/v1/jobs/", json=body).headers["location"])
    window = windows.open(redis_gateway, dark=dark, width=width)
    window.page.goto(f"{window.console}/sign-in")
    found = window.faults("/sign-in")
    window.sign_in(tenant)
    own = f"/jobs/{done['id']}"
    of_job = (own, f"{own}?chunks=0-0", f"{own}/undo")
    found += window.faults_on("/", "/jobs", *of_job, "/tags", "/new", "/audit")
    window = windows.open(redis_gateway, dark=dark, width=width)
    window.sign_in("", admin=True)
    found += window.faults_on("/", "/keys", "/audit")
    assert found == []
