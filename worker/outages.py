"""What a log says of a server that is away or refuses: once, then rarer and rarer, and its end."""

from __future__ import annotations

import logging
import re
import threading
import time

#: seconds till the same cause is told again: at first, at most; doubled each time
FIRST_S, MOST_S = 10.0, 600.0
#: causes of one outage that are told apart
MOST_CAUSES = 20


class Outage:
    """What one part of this process meets of one server's outages; for any thread.

    The first failure is logged as a warning at once, and so is each other cause; the same cause
    again only when some time has passed.
    """

    def __init__(self, log: logging.Logger, end: str) -> None:
        self._log = log
        self._end = end  #: what is logged when it is over, as "Redis answers again"
        self._lock = threading.Lock()
        self._causes: dict[str, tuple[float, float]] = {}  #: when each is told again, and then
        self._began = 0.0

    def failed(self, error: BaseException | str) -> None:
        """Take a failure; it is logged unless its like was a short while ago."""
        text, now = str(error), time.monotonic()
        cause = re.sub(r"\d+", "#", text)  # ports and numbers make no other cause
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
        """Take a success; where there was an outage, it is logged that it has ended."""
        if not self._causes:
            return
        with self._lock:
            known, lasted = bool(self._causes), time.monotonic() - self._began
            self._causes.clear()
        if known:
            self._log.warning("%s, after %.0f s.", self._end, lasted)
