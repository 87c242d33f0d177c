"""The Celery tasks: what a message starts. Each is a paragraph whose steps are named elsewhere."""

from tagsweep.worker.broker import delivery
from tagsweep.worker.broker.runtime import lifecycle
from tagsweep.worker.tasks import dead_letters, recover, webhooks

delivery.give_up_with(dead_letters.give_up)
lifecycle.recover_with(lifecycle.Recovery(recover.be_careful, webhooks.take))
