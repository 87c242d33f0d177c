"""The application, as INSTALLED_APPS has it."""

from __future__ import annotations

from django.apps import AppConfig


class TagsweepConfig(AppConfig):
    """``tagsweep.contrib.django``."""

    name = "tagsweep.producer.django"
    label = "tagsweep"
    verbose_name = "tagsweep"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Take from Django's settings what the environment does not say, and register checks."""
        from tagsweep.producer.django import checks, configuration

        configuration.supply()
        checks.register()
