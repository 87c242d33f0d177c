"""Record a job in the caller's own SQLAlchemy transaction."""

from tagsweep.producer.transactional import record

__all__ = ["record"]
