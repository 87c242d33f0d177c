"""Celery's entry point: ``celery -A tagsweep worker``."""

import sys

from tagsweep.worker import extras, settings
from tagsweep.worker.errors import SettingsError

try:
    with extras.required("worker"):
        from tagsweep.worker.broker.app import app as make_app
        from tagsweep.worker.broker.runtime import consumer, lifecycle, logs, node
        from tagsweep.worker.jobs import dead_letters
except extras.MissingExtra as error:
    sys.exit(f"tagsweep: {error}")

settings.refuse_unknown(lambda line: sys.stderr.write(f"tagsweep: {line}\n"))
try:
    app = make_app()
except SettingsError as error:
    sys.exit(f"tagsweep: {error}")
lifecycle.attach()
node.name()
logs.quieten()
logs.redact()
consumer.Consumer.store = staticmethod(dead_letters.keep)
