"""Record a job in the caller's own SQLAlchemy transaction."""

from tagsweep.worker import extras

with extras.required("worker"):
    from tagsweep.producer.transactional import record

__all__ = ["record"]
