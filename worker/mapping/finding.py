"""One finding of ``map check``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about some resources: what it means, and the statement or key that mends it."""

    resource: str
    what: str
    mend: str | None = None
    is_wrong: bool = False  #: jobs fail, or are much slower than need be
