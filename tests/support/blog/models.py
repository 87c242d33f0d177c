"""The models of the project."""

from __future__ import annotations

from uuid import uuid4

from django.db import models
from taggit.managers import TaggableManager
from taggit.models import GenericUUIDTaggedItemBase, TaggedItemBase


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


class PageTag(GenericUUIDTaggedItemBase, TaggedItemBase):
    """A link of objects whose keys are UUIDs."""

    class Meta:
        """Its table is found without migrations of its own."""

        app_label = "blog"


class Page(models.Model):
    """Something with tags, whose key is a UUID."""

    id = models.UUIDField(primary_key=True, default=uuid4)
    tags = TaggableManager(through=PageTag)

    class Meta:
        """Its table is found without migrations of its own."""

        app_label = "blog"

    def __str__(self) -> str:
        """Return its key."""
        return str(self.id)


class PhotoTag(TaggedItemBase):
    """A link of photos alone."""

    content_object = models.ForeignKey("Photo", on_delete=models.CASCADE)

    class Meta:
        """Its table is found without migrations of its own."""

        app_label = "blog"


class Photo(models.Model):
    """Something with tags, and a table of links for it alone."""

    tags = TaggableManager(through=PhotoTag)

    class Meta:
        """Its table is found without migrations of its own."""

        app_label = "blog"

    def __str__(self) -> str:
        """Return its key."""
        return str(self.pk)


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
