"""The worker side of tagsweep: what happens to a job between the broker and its completion event.

A job walks through these modules in this order:

    tasks ─▶ intake ─▶ store ─▶ progress ─▶ outbox ─▶ relay
             record    tags     count down  event     published after the commit

The database is the truth; a message is only a nudge. ``celery -A tagsweep worker`` starts a worker.
"""
