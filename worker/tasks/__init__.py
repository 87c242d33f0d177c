"""The Celery tasks: what a message starts. Each is a paragraph whose steps are named elsewhere."""

from tagsweep.worker.broker import delivery
from tagsweep.worker.tasks import dead_letters

delivery.give_up_with(dead_letters.give_up)
