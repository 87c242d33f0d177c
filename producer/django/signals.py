"""The signal at the end of a job."""

from __future__ import annotations

from django.dispatch import Signal

#: Sent by ``manage.py tagsweep_events`` at least once for each end of a job, inside a transaction
#: of the project's. ``event``: the whole event. ``job``: its data. ``changed``: what it changed,
#: a ``Changes``.
job_completed = Signal()
