"""Run a step of the project: ``python -m tests.support.blog STEP``, on the store's database."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import django
from django.conf import settings
from django.core.management import call_command
from django.db import connection, transaction

MANY = 500


def configure() -> None:
    """Set Django up, on the database that TAGSWEEP_DATABASE_URL names."""
    url = urlsplit(os.environ["TAGSWEEP_DATABASE_URL"])
    settings.configure(
        INSTALLED_APPS=["django.contrib.contenttypes", "taggit", "tests.support.blog"],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": url.path.lstrip("/"),
                "USER": url.username or "postgres",
                "HOST": url.hostname,
                "PORT": url.port,
            }
        },
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
    )
    django.setup()


def fill() -> None:
    """Create the tables as a Django project does, and articles with tags."""
    call_command("migrate", run_syncdb=True, verbosity=0)
    from tests.support.blog.models import Article

    articles = Article.objects.bulk_create(Article(title=f"{n}") for n in range(MANY))
    with transaction.atomic():
        for number, article in enumerate(articles):
            article.tags.add("old", *(["new"] if number % 2 else []))


def record(*, commit: bool) -> None:
    """Record a job in a transaction of Django's, which is committed or rolled back."""
    from tagsweep.transactional import record as record_job
    from tests.support.blog.models import Article

    job: dict[str, Any] = {"kind": "detach", "tenant": "main", "names": ["old"]}
    job["resources"] = {"articles": "*"}
    with transaction.atomic():
        Article.objects.filter(title="0").update(title="changed")
        print(record_job(connection, job))  # noqa: T201  # its output
        transaction.set_rollback(not commit)


STEPS: dict[str, Callable[[], None]] = {
    "fill": fill,
    "commit": lambda: record(commit=True),
    "rollback": lambda: record(commit=False),
}

if __name__ == "__main__":
    configure()
    STEPS[sys.argv[1]]()
