"""Logs a server's outage once, then less and less often, and finally its end."""

from __future__ import annotations

import logging
import re
import threading
import time

#: seconds before the same cause is logged again: at first, at most; doubled each time
FIRST_S, MOST_S = 10.0, 600.0
#: how many causes of one outage are distinguished
MOST_CAUSES = 20


class Outage:
    """One server's outages, as seen by one part of this process; thread-safe.

    The first failure is logged as a warning at once, and so is each new cause; the same cause is
    logged again only after a pause.
    """

    def __init__(self, log: logging.Logger, end: str) -> None:
        self._log = log
        self._end = end  #: logged when it is over, for example "Redis answers again"
        self._lock = threading.Lock()
        self._causes: dict[
            str, tuple[float, float]
        ] = {}  #: when each is logged again, and the pause after that
        self._began = 0.0

    @property
    def lasts(self) -> bool:
        """Whether there has been a failure since the last success."""
        return bool(self._causes)

    def failed(self, error: BaseException | str) -> None:
        """Report a failure; it is logged unless the same cause was logged recently."""
        text, now = str(error), time.monotonic()
        cause = re.sub(r"\d+", "#", text)  # a different port or number is not a different cause
        with self._lock:
            if not self._causes:
                self._began = now
            elif len(self._causes) >= MOST_CAUSES and cause not in self._causes:
                cause = ""
            again_at, pause = self._causes.get(cause, (0.0, FIRST_S))
            if now < again_at:
                return
            self._causes[cause] = now + pause, min(pause * 2, MOST_S)
            lasts = now - self._began
        self._log.warning("%s%s", text, f" (for {lasts:.0f} s)" if lasts >= 1 else "")

    def over(self) -> None:
        """Report a success; if there was an outage, log its end."""
        if not self._causes:
            return
        with self._lock:
            known, lasted = bool(self._causes), time.monotonic() - self._began
            self._causes.clear()
        if known:
            self._log.warning("%s, after %.0f s.", self._end, lasted)
