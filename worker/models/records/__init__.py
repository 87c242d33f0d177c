"""A job and a chunk as recorded, and the outcome of a chunk: what one step hands to the next."""

from __future__ import annotations

from tagsweep.worker.models.records.chunk import Chunk, Failure, Lists, Outcome, Report
from tagsweep.worker.models.records.job import (
    CHANGING,
    ENDS,
    NAME_TAKEN,
    OF_WORKSPACES,
    RETRYABLE,
    JobRecord,
    is_dropped,
    is_missing,
)

__all__ = [
    "CHANGING",
    "ENDS",
    "NAME_TAKEN",
    "OF_WORKSPACES",
    "RETRYABLE",
    "Chunk",
    "Failure",
    "JobRecord",
    "Lists",
    "Outcome",
    "Report",
    "is_dropped",
    "is_missing",
]
