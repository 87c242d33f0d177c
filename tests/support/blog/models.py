"""The models of the project."""

from __future__ import annotations

from django.db import models
from taggit.managers import TaggableManager


class Article(models.Model):
    """Something with tags."""

    title = models.CharField(max_length=100)
    tags = TaggableManager()

    class Meta:
        """Its table is found without migrations of its own."""

        app_label = "blog"

    def __str__(self) -> str:
        """Return its title."""
        return str(self.title)


class Indexed(models.Model):
    """An entry of the project's search index: which job made it be indexed again."""

    job = models.UUIDField()
    article = models.BigIntegerField()

    class Meta:
        """Its table is found without migrations of its own."""

        app_label = "blog"

    def __str__(self) -> str:
        """Return the article's id."""
        return str(self.article)
