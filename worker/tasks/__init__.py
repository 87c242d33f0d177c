"""The Celery tasks: what a message starts. Each is a paragraph; the steps are named elsewhere."""

from worker import dead_letters
from worker.messaging import tasks

tasks.give_up_with(dead_letters.give_up)
