"""A worker's app with receivers of Celery's signals: ``celery -A tests.support.signal_log worker``.

Each signal is a line of the log, ``heard NAME of ID``.
"""

from __future__ import annotations

import os
from typing import Any

from celery import signals

from tagsweep.celery import app

__all__ = ["app"]


def _write(line: str) -> None:
    os.write(1, f"heard {line}\n".encode())


def _prerun(task_id: str, args: Any, **_: Any) -> None:
    _write(f"task_prerun of {task_id} for {args[0]['tenant']}")


def _postrun(task_id: str, state: str, **_: Any) -> None:
    _write(f"task_postrun of {task_id}: {state}")


def _success(sender: Any, **_: Any) -> None:
    _write(f"task_success of {sender.request.id}")


signals.task_prerun.connect(_prerun, weak=False)
signals.task_postrun.connect(_postrun, weak=False)
signals.task_success.connect(_success, weak=False)
