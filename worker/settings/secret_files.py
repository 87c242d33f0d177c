"""Settings read from files: ``TAGSWEEP_…_FILE`` is the path, the content is the setting."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tagsweep.worker.errors import SettingsError

#: the settings that may hold secrets
NAMES = (
    "database_url",
    "broker_url",
    "events_url",
    "results_url",
    "secret_key",
    "api_key",
    "sentinel_password",
)
#: no secret is longer; a larger file does not hold one
MOST_BYTES = 64 << 10


def read(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the settings that the files named in ``environment`` hold, stripped.

    Raises SettingsError, which names the variable, if a file cannot be read, or if its setting is
    also set directly.
    """
    given = {name.upper(): value for name, value in environment.items() if value}
    contents = {}
    for name in NAMES:
        variable = f"TAGSWEEP_{name.upper()}"
        path = given.get(f"{variable}_FILE")
        if path is None:
            continue
        if variable in given:
            raise SettingsError(f"{variable} and {variable}_FILE are both set: unset one of them.")
        contents[name] = content(f"{variable}_FILE", path)
    return contents


def content(variable: str, path: str) -> str:
    """Return the setting that the file at ``path`` holds; raises SettingsError."""
    try:
        with Path(path).open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
        text = raw.decode().strip() if len(raw) <= MOST_BYTES else ""
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise SettingsError(f"{variable}={path!r} cannot be read: {reason}.") from None
    if not text:
        raise SettingsError(f"{variable}={path!r} is empty, or too large to hold a setting.")
    return text
