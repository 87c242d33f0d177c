"""Where Django finds the application."""

from tagsweep.producer.django.apps import TagsweepConfig

__all__ = ["TagsweepConfig"]
