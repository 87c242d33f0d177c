"""Nightly clean-ups, sent by Celery beat; nothing of tagsweep is imported.

Run one beat, not several: ``celery -A celery_beat beat``. The jobs are done by tagsweep's workers
on the same broker.
"""

import os

from celery import Celery
from celery.schedules import crontab

app = Celery("nightly", broker=os.environ["TAGSWEEP_BROKER_URL"])
app.conf.timezone = "UTC"
app.conf.beat_schedule = {
    "take temporary off every table, at night": {
        "task": "tags.detach",
        "schedule": crontab(hour="2", minute="17"),
        "args": [
            {"tenant": "acme", "names": ["temporary"], "tables": "*", "max_affected": 100_000}
        ],
        "options": {"queue": "tagsweep", "ignore_result": True},
    },
    "delete the tag env=dev from every workspace, on Sundays": {
        "task": "tags.delete",
        "schedule": crontab(hour="3", minute="5", day_of_week="sunday"),
        "args": [
            {
                "tenant": "acme",
                "workspaces": "*",
                "tags": [{"key": "env", "value": "dev"}],
                "max_affected": 10_000,
            }
        ],
        "options": {"queue": "tagsweep", "ignore_result": True},
    },
}
