"""The project's one application."""

from __future__ import annotations

from django.apps import AppConfig


class BlogConfig(AppConfig):
    """Articles."""

    name = "tests.support.blog"
    label = "blog"

    def ready(self) -> None:
        """Connect the receivers."""
        from tests.support.blog import receivers  # noqa: F401  # they connect themselves
