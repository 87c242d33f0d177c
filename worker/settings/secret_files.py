"""Settings that are given as a file: ``TAGSWEEP_…_FILE`` names it, the setting is what it holds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tagsweep.worker.errors import SettingsError

#: those that hold secrets, or may
NAMES = (
    "database_url",
    "broker_url",
    "events_url",
    "results_url",
    "secret_key",
    "api_key",
    "sentinel_password",
)
#: no secret is longer; a file that is does not hold one
MOST_BYTES = 64 << 10


def read(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the settings that files of ``environment`` hold, without blanks around them.

    Raises SettingsError, naming the variable, where a file cannot be read or its setting is given
    beside it.
    """
    given = {name.upper(): value for name, value in environment.items() if value}
    found = {}
    for name in NAMES:
        variable = f"TAGSWEEP_{name.upper()}"
        path = given.get(f"{variable}_FILE")
        if path is None:
            continue
        if variable in given:
            raise SettingsError(f"{variable} and {variable}_FILE are both set: unset one of them.")
        found[name] = _content(f"{variable}_FILE", path)
    return found


def _content(variable: str, path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
        text = raw.decode().strip() if len(raw) <= MOST_BYTES else ""
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no text in UTF-8"
        raise SettingsError(f"{variable}={path!r} cannot be read: {reason}.") from None
    if not text:
        raise SettingsError(f"{variable}={path!r} is empty, or too large to hold a setting.")
    return text
