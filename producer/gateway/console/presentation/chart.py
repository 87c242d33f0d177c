"""Items a second over the last hour, as a chart: numbers that a template turns into SVG."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from tagsweep.worker.activity.throughput import MINUTE, MINUTES, LastHour

#: units of a minute's bar, how many of them are painted, and the height of the highest bar
WIDTH, PAINTED, HEIGHT = 10, 8, 100
#: minutes of a row of the table beside it
STEP = 10
MINUTE_S = MINUTE.total_seconds()


@dataclass(frozen=True, slots=True)
class Bar:
    """A minute."""

    at: datetime
    rate: float
    x: int
    height: float


@dataclass(frozen=True, slots=True)
class Chart:
    """The last hour."""

    hour: LastHour

    @property
    def width(self) -> int:
        """Its width in units."""
        return MINUTES * WIDTH

    @property
    def total(self) -> int:
        """How many items were done."""
        return sum(map(sum, self.hour.items.values()))

    @property
    def now(self) -> float:
        """Items a second in the minute before this one and in what has passed of this one."""
        seconds = MINUTE_S + (self.hour.now - self._minute(MINUTES - 1)).total_seconds()
        return sum(sum(items[-2:]) for items in self.hour.items.values()) / seconds

    @property
    def highest(self) -> float:
        """The rate of the highest bar."""
        return max(self._rates())

    def bars(self) -> Iterator[Bar]:
        """Yield the minutes, oldest first."""
        highest = self.highest or 1
        for place, rate in enumerate(self._rates()):
            height = round(HEIGHT * rate / highest, 2)
            yield Bar(self._minute(place), rate, place * WIDTH, height)

    def rows(self) -> Iterator[tuple[datetime, float, dict[str, int]]]:
        """Yield the same as a table: from when on, the rate, and the items of each kind."""
        for place in range(0, MINUTES, STEP):
            items = {
                kind: sum(minutes[place : place + STEP])
                for kind, minutes in self.hour.items.items()
            }
            yield self._minute(place), sum(items.values()) / (STEP * MINUTE_S), items

    def _rates(self) -> list[float]:
        minutes = zip(*self.hour.items.values(), strict=True)
        return [sum(items) / MINUTE_S for items in minutes] or [0.0] * MINUTES

    def _minute(self, place: int) -> datetime:
        return self.hour.start + place * MINUTE
