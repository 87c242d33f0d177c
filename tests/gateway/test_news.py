"""What feeds were told: by when, so that a page that is as new as that knows it."""

from __future__ import annotations

import time

import pytest

from tagsweep.producer.gateway.submission import news
from tagsweep.producer.gateway.submission.news import News


def test_what_was_told_is_told_by_then_and_not_before() -> None:
    told = News()
    first, before = told.last, time.monotonic()
    told.add()
    assert told.told_at("") < told.told_at(first) <= before <= told.told_at(told.last)
    assert told.told_at(told.last) <= time.monotonic()


def test_what_was_told_long_ago_is_no_later_than_what_is_remembered() -> None:
    told = News()
    first = told.last
    for _ in range(news.MOST):
        told.add()
    oldest = told.told_at(first)
    told.add()
    assert oldest <= told.told_at(first) < told.told_at(told.last)


@pytest.mark.parametrize("given", ["somebody-7", "nonsense", "-", "{}-\u00b2", "{}-x"])
def test_what_another_process_has_told_may_be_as_late_as_now(given: str) -> None:
    told = News()
    name = told.last.partition("-")[0]
    before = time.monotonic()
    assert told.told_at(given.format(name)) >= before


def test_what_is_not_told_yet_is_as_new_as_the_last() -> None:
    told = News()
    name = told.last.partition("-")[0]
    assert told.told_at(f"{name}-99") == told.told_at(told.last)
