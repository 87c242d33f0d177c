"""What the project does when a job has ended."""

from __future__ import annotations

import os
import runpy
from pathlib import Path
from typing import Any

from django.dispatch import receiver

from tagsweep.contrib.django.signals import job_completed
from tests.support.blog.models import Article, Indexed

if "BLOG_RECEIVERS" in os.environ:
    KEPT = runpy.run_path(os.environ["BLOG_RECEIVERS"])  # a signal does not keep its receivers


@receiver(job_completed)
def reindex(job: dict[str, Any], changed: Any, **_: Any) -> None:
    """Index again what has changed; fails while a file is there that says so."""
    for ids in changed.batches(Article, 100):
        Indexed.objects.bulk_create(Indexed(job=job["job_id"], article=each) for each in ids)
    if Path(os.environ.get("BLOG_FAILS", "/nonexistent")).exists():
        raise RuntimeError("the index is down")
