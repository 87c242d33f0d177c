"""Variables that look like settings and are none: a name that was mistyped would have no effect."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

PREFIX = "TAGSWEEP_"
#: what others put there: Kubernetes for each Service whose name begins with tagsweep, and our tests
_FOREIGN = re.compile(
    PREFIX + r"(TEST_.*|(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT|PORT_\d+_\w+))"
)
#: how alike two names must be for one to be taken for the other, mistyped
ALIKE = 0.65


class UnknownSetting(UserWarning):
    """A variable of the environment looks like a setting and is none."""


def found(environment: Mapping[str, str], known: Iterable[str]) -> dict[str, str | None]:
    """Return the variables that are no settings, each with the ``known`` one that may be meant."""
    names = {name.removeprefix(PREFIX): name for name in known}
    unknown: dict[str, str | None] = {}
    for variable, value in sorted(environment.items()):
        name = variable.upper()
        if not value or not name.startswith(PREFIX) or name.removeprefix(PREFIX) in names:
            continue
        if not _FOREIGN.fullmatch(name):
            unknown[variable] = nearest(name.removeprefix(PREFIX), names)
    return unknown


def nearest(name: str, known: Mapping[str, str]) -> str | None:
    """Return what ``known`` has for the key most like ``name``; None if none is like it."""
    close = get_close_matches(name, known, n=1, cutoff=ALIKE)
    return known[close[0]] if close else None


def refused(unknown: Mapping[str, str | None]) -> str:
    """Return one line about the variables that may be settings, mistyped; empty if none may be."""
    return " ".join(
        f"{variable} is not a setting. Did you mean {meant}? Rename it or unset it."
        for variable, meant in unknown.items()
        if meant is not None
    )


def ignored(variable: str) -> str:
    """Return the warning about a variable that is like no setting."""
    return f"{variable} is not a setting and has no effect: `tagsweep config --all` lists them all."
