"""The console: pages over many chunks and many jobs, and what consoles cost other requests."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from statistics import median
from typing import Any
from uuid import uuid4

import httpx
from playwright.sync_api import Page, sync_playwright

from benchmarks import ground, machine, processes
from benchmarks.bench import Bench
from benchmarks.contenders import OURS
from benchmarks.ground import Ground
from benchmarks.parts import gateway
from benchmarks.parts.small import staged, wait
from benchmarks.racing import Stage
from benchmarks.results import Figure, Part, Table, spread
from benchmarks.work import Work
from tests.servers.processes import free_port
from tests.support.browser import arguments, program

METHOD = (
    "One gateway process. *Job*: the page of a job of 10 chunks, and of one of 50,000, is opened "
    "in Chromium, 15 times each, in turns; timed until its map is drawn. *List*: the answer with "
    "the list of a tenant that has 1,000 jobs, and of one that has 1,000,000, 15 times each; then "
    "with the filter `status=failed`, which one job in 100,000 fits. *Beside consoles*: the calls "
    "of the gateway's part (32 connections, each sends a small detach and waits for its answer) "
    "without a console, and beside 20 that have signed in before: each has its stream open, and "
    "loads the page of a job anew every 2 s, as a page does whose job runs; of that job, which has "
    "1,000 chunks, a few are done twice a second."
)
#: links of the store
LINKS = 1_000_000
SERVE = ("-m", "tagsweep.producer.cli", "serve", "--port")
TENANTS = {"few": 1_000, "many": 1_000_000}
CHUNKS = {"small": 10, "large": 50_000}
TIMES, CONSOLES, EVERY_S = 15, 20, 2.0
#: chunks of the job that consoles look at, and how often some of them are done
WATCHED, MOVES_S = 1_000, 0.5

_JOBS = """
INSERT INTO tagsweep.job (id, tenant, kind, status, fingerprint, head, matched, total, removed,
    ends, accepted_at, started_at, finished_at, sizes, requested_by)
SELECT gen_random_uuid(), %s, 'detach', CASE WHEN n %% 100000 = 99999 THEN 'failed' ELSE
    'succeeded' END, decode(repeat('00', 32), 'hex'), '{"names": ["legacy"]}', '[]', 3, 3, 1,
    at, at, at, '{"tables": 3}', '{"name": "ci", "door": "http", "proved": true}'
FROM generate_series(1, %s) AS n, LATERAL (SELECT now() - n * interval '1 second' AS at) AS times
"""
_JOB = """
INSERT INTO tagsweep.job (id, tenant, kind, status, fingerprint, head, matched, total, removed,
    open, accepted_at, started_at, sizes, paused)
VALUES (%s, %s, 'detach', 'running', decode(repeat('00', 32), 'hex'), '{"names": ["legacy"]}',
    '[]', %s, %s, %s, now(), now(), '{"tables": 3}', true)
"""
_MOVE = """
WITH done AS (
    UPDATE tagsweep.chunk SET state = 'done' WHERE job_id = %(job)s AND number IN (
        SELECT number FROM tagsweep.chunk WHERE job_id = %(job)s AND state = 'open' LIMIT 3)
    RETURNING items
), total AS (SELECT count(*) AS chunks, coalesce(sum(items), 0) AS items FROM done)
UPDATE tagsweep.job SET open = open - chunks, removed = removed + total.items
FROM total WHERE id = %(job)s
"""
_CHUNKS = """
INSERT INTO tagsweep.chunk (job_id, number, state, resource_type, items, ids)
SELECT %s, n, CASE WHEN n < %s THEN 'done' ELSE 'open' END, 7, 4, ARRAY[gen_random_uuid(),
    gen_random_uuid(), gen_random_uuid(), gen_random_uuid()] FROM generate_series(0, %s) AS n
"""

#: what was measured, by name
Measured = dict[str, list[float]]


def measure(bench: Bench) -> Part:
    """Measure pages once, and requests beside consoles as often as is asked for."""
    template = bench.ground(ground.wide(LINKS))
    work = bench.work(template, "one")
    with bench.step("pages", 1) as step:
        step("of many jobs and chunks")
        with staged(bench, template, OURS, work) as stage, _gateway(stage) as port:
            measured = _pages(stage, port)
    with bench.step("beside consoles", 2 * bench.options.runs) as step:
        for _ in range(bench.options.runs):
            for name, consoles in (("without", 0), ("with", CONSOLES)):
                step(name)
                rate = _rate(bench, template, work, consoles)
                measured.setdefault(name, []).append(rate)
    return Part(
        name="console",
        title="Console: 50,000 chunks, 1,000,000 jobs, 20 consoles",
        command=machine.command("console", bench.options),
        method=METHOD,
        table=_table(measured),
        figures=_figures(measured),
        raw=dict(measured),
        machine=machine.describe(bench.servers),
    )


@contextmanager
def _gateway(stage: Stage) -> Iterator[int]:
    port = free_port()
    with processes.workers([(*SERVE, str(port))], stage.settings) as servers:
        wait(lambda: processes.listens(port) or servers[0].ended)
        yield port
        servers[0].check()


def _pages(stage: Stage, port: int) -> Measured:
    for tenant, jobs in TENANTS.items():
        stage.connection.execute(_JOBS, (tenant, jobs))
    ids = {name: _running(stage, "few", chunks) for name, chunks in CHUNKS.items()}
    for table in ("job", "chunk"):
        stage.connection.execute(f"VACUUM ANALYZE tagsweep.{table}")
    keys = {tenant: gateway.key(stage, tenant) for tenant in TENANTS}
    measured: Measured = {}
    with ExitStack() as held:
        people = {name: held.enter_context(_signed_in(port, key)) for name, key in keys.items()}
        for _ in range(TIMES):
            for name, person in people.items():
                for query in ("", "?status=failed"):
                    listed = partial(_get, person, f"/console/jobs{query}")
                    measured.setdefault(f"list{query} {name}", []).append(_timed(listed))
        page = held.enter_context(_browser(people["few"]))
        for _ in range(TIMES):
            for name, job_id in ids.items():
                opened = partial(_open, page, f"http://127.0.0.1:{port}/console/jobs/{job_id}")
                measured.setdefault(f"job {name}", []).append(_timed(opened))
    return measured


def _running(stage: Stage, tenant: str, chunks: int) -> str:
    """Record a paused job of so many chunks, half of which are done; return its id."""
    job_id = str(uuid4())
    done = chunks // 2
    stage.connection.execute(_JOB, (job_id, tenant, 4 * chunks, 4 * done, chunks - done))
    stage.connection.execute(_CHUNKS, (job_id, done, chunks - 1))
    return job_id


@contextmanager
def _signed_in(port: int, key: str) -> Iterator[httpx.Client]:
    url = f"http://127.0.0.1:{port}"
    with httpx.Client(base_url=url, headers={"origin": url}, timeout=60) as person:
        form = re.findall(r'name="csrf" value="(\w+)"', person.get("/console/sign-in").text)
        person.post("/console/sign-in", data={"csrf": form[0], "key": key})
        person.get("/console/jobs").raise_for_status()
        yield person


@contextmanager
def _browser(person: httpx.Client) -> Iterator[Page]:
    """Give a page of Chromium that has the session."""
    ((name, value),) = person.cookies.items()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program(), args=arguments())
        context = browser.new_context()
        context.add_cookies(
            [{"name": name, "value": value, "domain": "127.0.0.1", "path": "/console"}]
        )
        yield context.new_page()
        browser.close()


def _get(person: httpx.Client, path: str) -> None:
    person.get(path).raise_for_status()


def _open(page: Page, url: str) -> None:
    """Return once the map of the page at ``url`` is drawn."""
    page.goto(url, wait_until="load")
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    assert page.locator("svg.map path").count()  # noqa: S101  # what is timed is there


def _timed(step: Callable[[], object]) -> float:
    start = time.perf_counter()
    step()
    return (time.perf_counter() - start) * 1000


def _rate(bench: Bench, template: Ground, work: Work, consoles: int) -> float:
    with gateway.shared(bench, template, OURS, work) as stage:
        keys = [gateway.key(stage, tenant) for tenant in gateway.TENANTS]
        job_id = _running(stage, gateway.TENANTS[0], WATCHED)

        def beside(port: int) -> Any:
            return _consoles(stage, port, keys[0], job_id, consoles)

        measured, _ = gateway.called(bench, stage, work, SERVE, keys, beside=beside)
        return measured["rate"]


@contextmanager
def _consoles(stage: Stage, port: int, key: str, job_id: str, consoles: int) -> Iterator[None]:
    """Keep so many consoles open on a job that moves, during the block; each must be answered."""
    stop = threading.Event()
    with ExitStack() as held, ThreadPoolExecutor(2 * consoles + 1) as pool:
        people = [held.enter_context(_signed_in(port, key)) for _ in range(consoles)]
        waiting = [pool.submit(_move, stage, job_id, stop)]
        waiting += [pool.submit(_stream, person, stop) for person in people]
        for number, person in enumerate(people):
            waiting.append(pool.submit(_look, person, job_id, stop, number / consoles))
        try:
            time.sleep(EVERY_S)  # all have looked once
            yield
        finally:
            stop.set()
        for one in waiting:
            one.result()


def _move(stage: Stage, job_id: str, stop: threading.Event) -> None:
    while not stop.wait(MOVES_S):
        stage.connection.execute(_MOVE, {"job": job_id})


def _stream(person: httpx.Client, stop: threading.Event) -> None:
    """Follow the stream; what it has told last goes with each request, as of a page's script."""
    with person.stream("GET", "/console/events") as news:
        for line in news.iter_lines():
            if line.startswith("data: "):
                person.headers["x-news"] = json.loads(line.removeprefix("data: "))["at"]
            if stop.is_set():
                return


def _look(person: httpx.Client, job_id: str, stop: threading.Event, phase: float) -> None:
    """Load the page of the job anew again and again, as its script does."""
    version = ""
    stop.wait(phase * EVERY_S)
    while not stop.wait(EVERY_S):
        headers = {"x-live": "1", "hx-request": "true", "if-none-match": version}
        answer = person.get(f"/console/jobs/{job_id}", headers=headers)
        assert answer.status_code in (200, 304), answer.text  # noqa: S101  # what is timed works
        version = answer.headers["etag"]


def _table(measured: Measured) -> Table:
    names = {
        "job small": "page of a job of 10 chunks, ms",
        "job large": "page of a job of 50,000 chunks, ms",
        "list few": "list of 1,000 jobs, ms",
        "list many": "list of 1,000,000 jobs, ms",
        "list?status=failed few": "filtered list of 1,000 jobs, ms",
        "list?status=failed many": "filtered list of 1,000,000 jobs, ms",
        "without": "requests/s without a console",
        "with": "requests/s beside 20 consoles",
    }
    return Table(
        ["what", "measured"], [[text, spread(measured[name])] for name, text in names.items()]
    )


def _figures(measured: Measured) -> list[Figure]:
    def ratio(one: str, than: str) -> float:
        return median(measured[one]) / median(measured[than])

    return [
        Figure("page of 50,000 chunks, of that of 10", ratio("job large", "job small"), "<=", 5),
        Figure("list of 1,000,000 jobs, of that of 1,000", ratio("list many", "list few"), "<=", 3),
        Figure("requests/s beside 20 consoles", ratio("with", "without"), ">=", 0.9),
    ]
