"""Celery's own smallest task: what any system on Celery costs at least."""

from __future__ import annotations

from celery import Celery

from benchmarks.work import broker_url

app = Celery("noop", broker=broker_url(), backend=broker_url())


@app.task(name="noop")
def noop() -> None:
    """Do nothing, and have that stored as the result."""


@app.task(name="noop_forgotten", ignore_result=True)
def noop_forgotten() -> None:
    """Do nothing, and tell nobody."""
