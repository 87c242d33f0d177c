"""What Django's own framework needs: permissions on jobs, and how far a consumer has read."""

from __future__ import annotations

from django.db import models


class Job(models.Model):
    """A job, which is in tagsweep's own tables: this is for the admin and its permissions alone."""

    id = models.UUIDField(primary_key=True)

    class Meta:
        """No table of Django's."""

        managed = False
        default_permissions = ("view",)
        permissions = (("start_job", "Can start, cancel and undo jobs"),)

    def __str__(self) -> str:
        """Return its id."""
        return str(self.id)


class EventPosition(models.Model):
    """Up to where a consumer has read the completion events."""

    name = models.CharField(max_length=100, primary_key=True)
    position = models.BigIntegerField(default=0)

    class Meta:
        """Not for people."""

        default_permissions = ()

    def __str__(self) -> str:
        """Return its name."""
        return str(self.name)
