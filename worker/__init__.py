"""The worker side of tagsweep: what happens to a job between the broker and its completion event.

A job passes through these packages, and each imports only from those below it:

    tasks    what a message starts: accept a job, sweep its chunks, recover what was left
    chunks   one chunk, one transaction: split a job, apply a chunk, give up what keeps failing
    jobs     a job's rows: record it, count it down, end it
    events   the completion event: into the outbox, and published after the commit
    store    every statement on tags          broker   the only door to Celery
    database engines, transactions, dialects  models   messages, rows, tables

The database is the truth; a message is only a nudge. ``celery -A tagsweep worker`` starts a worker.
"""
