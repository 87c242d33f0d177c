"""For the receivers of your own applications."""

from tagsweep.producer.django.signals import job_completed

__all__ = ["job_completed"]
