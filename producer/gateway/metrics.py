"""Metrics for Prometheus: of the requests of this process, and of the jobs in the store."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from tagsweep.producer.gateway.requests.limits import Places
from tagsweep.producer.gateway.threadpool import Threads
from tagsweep.worker import database
from tagsweep.worker.chunks import timings
from tagsweep.worker.errors import TagsweepError
from tagsweep.worker.events import outbox
from tagsweep.worker.jobs import queries
from tagsweep.worker.models.views import words

#: how old the numbers of the store may be: counting jobs reads all of them
FRESH_S = 5.0
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


@dataclass(frozen=True, slots=True)
class Stock:
    """The numbers of the store."""

    totals: list[Any]
    open_chunks: int
    oldest_unpublished: datetime | None
    chunk_times: dict[str, tuple[list[int], float]]


class Metrics:
    """Counts requests, and renders all metrics."""

    def __init__(self, store: Threads, waiting: Places, feeds: Places) -> None:
        self._store = store
        self._registry = CollectorRegistry()
        self._stock: tuple[float, Stock | None] = (float("-inf"), None)
        self._counters: dict[tuple[str, str, str], tuple[Counter, Histogram]] = {}
        own = self._registry
        self.requests = Counter(
            "tagsweep_http_requests",
            "Requests answered.",
            ["route", "method", "status"],
            registry=own,
        )
        self.seconds = Histogram(
            "tagsweep_http_request_duration_seconds",
            "From a request's first byte to its answer's last.",
            ["route"],
            buckets=_SECONDS,
            registry=own,
        )
        waiting_now = Gauge(
            "tagsweep_waiting_requests", "Requests waiting for a job's end.", registry=own
        )
        waiting_now.set_function(lambda: waiting.taken)
        feeds_now = Gauge("tagsweep_open_feeds", "Event feeds that are open.", registry=own)
        feeds_now.set_function(lambda: feeds.taken)
        self._up = Gauge("tagsweep_store_up", "Whether the store answers.", registry=own)

    def count(self, route: str, method: str, status: str, seconds: float) -> None:
        """Count an answered request; there are few of each of these words."""
        known = self._counters.get((route, method, status))
        if known is None:
            labelled = self.requests.labels(route, method, status), self.seconds.labels(route)
            known = self._counters[route, method, status] = labelled
        counter, histogram = known
        counter.inc()
        histogram.observe(seconds)

    async def shown(self) -> bytes:
        """Return all metrics in Prometheus' format; without the store, those of this process."""
        read_at, stock = self._stock
        if time.monotonic() - read_at > FRESH_S:
            try:
                stock = await self._store.run(_read)
            except TagsweepError:
                stock = None
            self._stock = (time.monotonic(), stock)
        self._up.set(stock is not None)
        text = generate_latest(self._registry)
        if stock is None:
            return text
        registry = CollectorRegistry()
        registry.register(_StockCollector(stock))
        return text + generate_latest(registry)


class _StockCollector(Collector):
    def __init__(self, stock: Stock) -> None:
        self._stock = stock

    def collect(self) -> Iterable[Any]:
        """Yield the numbers of the store."""
        stock = self._stock
        jobs = GaugeMetricFamily("tagsweep_jobs", "Jobs kept.", labels=["kind", "status"])
        ended: dict[tuple[str, str], int] = {}
        changed: dict[tuple[str, str], int] = {}
        for row in stock.totals:
            word = words(row.reverts or row.kind, adds=row.adds)[0]
            state, sort = (row.kind, row.status), (row.kind, word)
            ended[state] = ended.get(state, 0) + row.jobs
            changed[sort] = changed.get(sort, 0) + int(row.changed)
        for labels, number in ended.items():
            jobs.add_metric(labels, number)
        yield jobs
        yield from _changed(changed)
        yield GaugeMetricFamily(
            "tagsweep_chunks_open", "Chunks that wait for a worker.", stock.open_chunks
        )
        yield GaugeMetricFamily(
            "tagsweep_oldest_unpublished_event_age_seconds",
            "Age of the oldest event that waits to be published; 0: none does.",
            _age(stock.oldest_unpublished),
        )
        yield _durations(stock.chunk_times)


def _changed(numbers: dict[tuple[str, str], int]) -> Iterator[GaugeMetricFamily]:
    """Yield how many items jobs of each kind have changed, in the word of that kind."""
    families: dict[str, GaugeMetricFamily] = {}
    for (kind, word), number in numbers.items():
        named = f"tagsweep_items_{word}", f"Items {word} by the jobs kept."
        family = families.setdefault(word, GaugeMetricFamily(*named, labels=["kind"]))
        family.add_metric([kind], number)
    yield from families.values()


def _durations(times: dict[str, tuple[list[int], float]]) -> HistogramMetricFamily:
    family = HistogramMetricFamily(
        "tagsweep_chunk_duration_seconds", "How long chunks took.", labels=["kind"]
    )
    bounds = [*map(str, timings.BOUNDS), "+Inf"]
    for kind, (buckets, seconds) in times.items():
        sums = [sum(buckets[: place + 1]) for place in range(len(buckets))]
        family.add_metric([kind], list(zip(bounds, sums, strict=True)), sum_value=seconds)
    return family


def _age(moment: datetime | None) -> float:
    return max(0.0, (datetime.now(UTC) - moment).total_seconds()) if moment else 0.0


def _read() -> Stock:
    with database.reading() as connection:
        return Stock(
            queries.totals(connection),
            queries.open_chunks(connection),
            outbox.oldest_unpublished(connection),
            timings.read(connection),
        )
