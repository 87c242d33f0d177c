"""For ``admin.py`` of your own applications."""

from tagsweep.producer.django.actions import BackgroundTagsMixin

__all__ = ["BackgroundTagsMixin"]
