"""``celery -A worker worker`` in a checkout: the app of ``celery -A tagsweep worker``."""

from tagsweep.celery import app

__all__ = ["app"]
