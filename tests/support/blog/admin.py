"""The admin of the project."""

from __future__ import annotations

import os

from django.contrib import admin

from tagsweep.contrib.django.admin import BackgroundTagsMixin
from tests.support.blog.models import Article, Indexed


@admin.register(Article)
class ArticleAdmin(BackgroundTagsMixin, admin.ModelAdmin):
    """Articles, with the actions on their tags."""

    list_per_page = 20


if "BLOG_ADMIN" in os.environ:

    @admin.register(Indexed)
    class IndexedAdmin(BackgroundTagsMixin, admin.ModelAdmin):
        """What has no tags."""
