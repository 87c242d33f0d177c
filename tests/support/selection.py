"""Which tests run in a configuration, and what is told of those that do not."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.support import configurations
from tests.support.configuration import Configuration

#: what a worker of xdist tells its controller
LEFT_OUT = "left_out"
SUITE = Path(__file__).parents[1] / "store"
_COUNTED = pytest.StashKey[Counter[str]]()


def choose(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out of ``items`` what does not meet the configuration."""
    configuration = configurations.active()
    if configuration.name == Configuration.name:
        return
    reasons = [(item, _reason(configuration, item)) for item in items]
    config.hook.pytest_deselected(items=[item for item, reason in reasons if reason is not None])
    items[:] = [item for item, reason in reasons if reason is None]
    told = Counter(reason for _, reason in reasons if reason)
    config.stash[_COUNTED] = told
    if hasattr(config, "workeroutput"):
        config.workeroutput[LEFT_OUT] = dict(told)


def heard(config: pytest.Config, told: dict[str, int]) -> None:
    """Keep what a worker of xdist has left out: each of them the same."""
    config.stash[_COUNTED] = Counter(told)


def summary(config: pytest.Config) -> str | None:
    """Return the line on what was left out for a reason; None if nothing was."""
    told = config.stash.get(_COUNTED, Counter())
    if not told:
        return None
    counted = "; ".join(f"{number} {reason}" for reason, number in told.most_common())
    return f"Left out: {counted}"


def _reason(configuration: Configuration, item: pytest.Item) -> str | None:
    """Return why a test is left out, "" if nobody needs to be told; None if it runs."""
    if item.get_closest_marker("default_configuration"):
        return ""
    if core := item.get_closest_marker("core"):
        return None if not core.args or configuration.name in core.args else ""
    meets = configurations.concerns(configuration, fixtures(item), parameters(item))
    if configuration.name == configurations.Mapped.name:
        return _reason_of_map(configuration, item, meets=meets)
    return None if meets else ""


def _reason_of_map(configuration: Configuration, item: pytest.Item, *, meets: bool) -> str | None:
    if not (item.path.is_relative_to(SUITE) or item.get_closest_marker("mapped")):
        return ""
    if marker := item.get_closest_marker("not_mapped"):
        return str(marker.args[0])
    if meets:
        return None
    used = fixtures(item) & set(configuration.fixtures)
    return "on another store or broker, which a map does not change" if used else ""


def fixtures(item: pytest.Item) -> set[str]:
    """Return the names of the fixtures that a test uses."""
    return set(getattr(item, "fixturenames", ()))


def parameters(item: pytest.Item) -> set[str]:
    """Return the parameters of a test, as text."""
    called = getattr(item, "callspec", None)
    return set(map(str, called.params.values())) if called else set()
