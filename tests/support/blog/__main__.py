"""Run a step of the project: ``python -m tests.support.blog STEP``, on the store's database."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import django
from django.conf import settings
from django.core.management import call_command, execute_from_command_line
from django.db import connection, transaction

MANY = 500


def configure() -> None:
    """Set Django up, on the database that BLOG_URL or TAGSWEEP_DATABASE_URL names."""
    url = urlsplit(os.environ.get("BLOG_URL") or os.environ["TAGSWEEP_DATABASE_URL"])
    around = ["auth", "contenttypes", "sessions", "messages", "admin"]
    own = (
        {"TAGSWEEP": json.loads(os.environ["BLOG_TAGSWEEP"])}
        if "BLOG_TAGSWEEP" in os.environ
        else {}
    )
    settings.configure(
        INSTALLED_APPS=[
            *(f"django.contrib.{name}" for name in around),
            "taggit",
            "tagsweep.contrib.django",
            "tests.support.blog",
        ],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": url.path.lstrip("/"),
                "USER": url.username or "postgres",
                "HOST": url.hostname,
                "PORT": url.port,
            }
        },
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
        ],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {
                    "context_processors": [
                        "django.template.context_processors.request",
                        "django.contrib.auth.context_processors.auth",
                        "django.contrib.messages.context_processors.messages",
                    ]
                },
            }
        ],
        ROOT_URLCONF="tests.support.blog.urls",
        STATIC_URL="/static/",
        SECRET_KEY="of a test",
        ALLOWED_HOSTS=["127.0.0.1"],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
        **own,
    )
    django.setup()


def fill() -> None:
    """Create the tables as a Django project does, and articles with tags."""
    call_command("migrate", verbosity=0)
    call_command("migrate", run_syncdb=True, verbosity=0)  # what refers to those
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


def undo(job_id: str) -> None:
    """Record the undo of a job in a transaction of Django's."""
    from tagsweep.transactional import record as record_job

    with transaction.atomic():
        print(record_job(connection, {"kind": "undo", "tenant": "main", "job": job_id}))  # noqa: T201


def users() -> None:
    """Create who uses the admin: each may do what the name says."""
    from django.contrib.auth.models import Permission, User

    User.objects.create_superuser("all", password="all")
    may = {
        "starts": ("change_article", "start_job"),
        "edits": ("change_article",),
        "views": ("view_job",),
        "elsewhere": ("view_job",),
        "paged": ("view_job",),
        "starts_only": ("view_article", "start_job"),
    }
    for name, permissions in may.items():
        user = User.objects.create_user(name, password=name, is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    User.objects.create_user("nobody", password="nobody")


def count() -> None:
    """Print how many links models with tables of links of their own have, as the admin counts."""
    from tagsweep.producer.django import tagged
    from tests.support.blog.models import Page, Photo

    for model in (Page, Photo):
        made = [model.objects.create() for _ in range(5)]
        for each in made[:3]:
            each.tags.add("red", "blue")
        found = tagged.of(model)
        assert found is not None  # a step of a test
        some = model.objects.filter(pk__in=[each.pk for each in made[1:]])
        print(found.count(some, ["red"]), found.count(some, ["red", "blue", "none"]))  # noqa: T201
        print(found.unknown(["red", "none"]))  # noqa: T201


def serve(port: str) -> None:
    """Serve the project's pages until the process is ended."""
    from django.core.servers import basehttp
    from django.core.wsgi import get_wsgi_application

    basehttp.run("127.0.0.1", int(port), get_wsgi_application(), threading=True)


STEPS: dict[str, Callable[..., None]] = {
    "fill": fill,
    "commit": lambda: record(commit=True),
    "rollback": lambda: record(commit=False),
    "undo": undo,
    "users": users,
    "serve": serve,
    "count": count,
    "manage": lambda *words: execute_from_command_line(["manage.py", *words]),
}

if __name__ == "__main__":
    configure()
    STEPS[sys.argv[1]](*sys.argv[2:])
