"""The models of the project."""

from __future__ import annotations

from django.db import models
from taggit.managers import TaggableManager


class Article(models.Model):  # type: ignore[misc]  # Django has no types
    """Something with tags."""

    title = models.CharField(max_length=100)
    tags = TaggableManager()

    class Meta:
        """Its table is found without migrations of its own."""

        app_label = "blog"

    def __str__(self) -> str:
        """Return its title."""
        return str(self.title)
