"""Celery's entry point: ``celery -A worker worker``."""

import sys

from worker import strays as kept_strays
from worker.errors import SettingsError
from worker.messaging import heart, logs, node, strays
from worker.messaging.app import app as make

try:
    app = make()
except SettingsError as error:
    sys.exit(f"tagsweep: {error}")
heart.attach()
node.name()
logs.quieten()
logs.redact()
strays.keep_with(kept_strays.keep)
