"""The result of one check."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found."""

    about: str
    what: str
    advice: str | None = None  #: what to do; None if nothing is wrong

    @property
    def is_wrong(self) -> bool:
        """Whether something has to be done."""
        return self.advice is not None
