"""What a look at one thing has found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    about: str
    what: str
    advice: str | None = None  #: what to do; None: nothing is wrong

    @property
    def is_wrong(self) -> bool:
        """Whether somebody has to do something."""
        return self.advice is not None
