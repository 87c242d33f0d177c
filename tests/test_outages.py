"""A log tells of an outage once, then rarer and rarer, and of its end."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest

from tagsweep.worker.outages import Outage

log = logging.getLogger("tests.outages")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that it is; a test moves them."""
    now = [0.0]
    monkeypatch.setattr("tagsweep.worker.outages.time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def test_a_cause_is_told_once_then_rarer_and_rarer(
    clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    outage = Outage(log, "It answers again")
    for second in range(3_600):
        clock[0] = float(second)
        outage.failed(f"port {second} refuses")
    told = [record.getMessage() for record in caplog.records]
    assert told[0] == "port 0 refuses"
    assert told[1] == "port 10 refuses (for 10 s)"
    assert len(told) < 15


def test_each_other_cause_is_told_at_once(
    clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    outage = Outage(log, "It answers again")
    for second in range(6):
        clock[0] = float(second)
        outage.failed("it is away" if second % 2 else "it refuses")
    assert [record.getMessage() for record in caplog.records] == [
        "it refuses",
        "it is away (for 1 s)",
    ]


def test_its_end_is_told_once(clock: list[float], caplog: pytest.LogCaptureFixture) -> None:
    outage = Outage(log, "It answers again")
    outage.over()
    outage.failed("it is away")
    clock[0] = 7.0
    outage.over()
    outage.over()
    outage.failed("it is away")
    told = [record.getMessage() for record in caplog.records]
    assert told == ["it is away", "It answers again, after 7 s.", "it is away"]
