"""Profiles: named settings of commands that are clients, in a file that only its owner may read.

default = "staging"

[profiles.staging]
url = "https://tags.staging.example.com"
api_key = "ts_..."
"""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path
from typing import Any

from tagsweep.producer.cli.input.errors import WrongUse, shown
from tagsweep.worker import settings
from tagsweep.worker.settings import secret_files, unknown

FILE = Path("tagsweep") / "config.toml"
#: no file of profiles is larger
MAX_BYTES = 1 << 20
OTHERS = stat.S_IRWXG | stat.S_IRWXO


def config_folder() -> Path:
    """Return the folder of a person's configuration."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    # a relative one is to be ignored, says its specification
    return Path(base) if Path(base).is_absolute() else Path.home() / ".config"


def path() -> Path:
    """Return where the file of profiles is, if there is one."""
    return config_folder() / FILE


def use(name: str | None) -> None:
    """Use the settings of profile ``name``, or of the default one if there is one.

    Raises WrongUse if there is no such profile, or if the file cannot be used.
    """
    file = path()
    document = _read(file)
    profiles = _profiles(file, document)
    chosen = name if name is not None else document.get("default")
    if chosen is None:
        return
    if not isinstance(chosen, str) or chosen not in profiles:
        known = ", ".join(sorted(profiles)) or "none"
        what = "--profile" if name is not None else f"default in {file}"
        raise WrongUse(f"{what} {shown(chosen)}: there is no such profile in {file} (has: {known})")
    values = _values(f"profile {chosen!r} in {file}", profiles[chosen])
    settings.supply(values, f"profile {chosen!r}")


def _read(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as opened:
            if os.fstat(opened.fileno()).st_mode & OTHERS:
                raise WrongUse(f"{file} may be read by others, and holds keys: chmod 600 {file}")
            return tomllib.loads(opened.read(MAX_BYTES).decode())
    except FileNotFoundError:
        return {}
    except NotADirectoryError:
        return {}
    except OSError as error:
        raise WrongUse(f"{file} cannot be read: {error.strerror or error}.") from None
    except ValueError as error:  # not UTF-8, or not TOML
        reason = str(error).partition("\n")[0].rstrip(".")
        raise WrongUse(f"{file} is not valid TOML: {reason}.") from None


def _profiles(file: Path, document: dict[str, Any]) -> dict[str, Any]:
    for name in document:
        if name not in ("default", "profiles"):
            raise WrongUse(
                f"{file}: {shown(name)} is not known: it has default and [profiles.NAME]"
            )
    profiles = document.get("profiles", {})
    if not isinstance(profiles, dict):
        raise WrongUse(f"{file}: profiles must be tables: [profiles.NAME]")
    return profiles


def _values(where: str, table: Any) -> dict[str, str]:
    """Return the settings of a profile by field, those in files too."""
    if not isinstance(table, dict):
        raise WrongUse(f"{where} must be a table: [profiles.NAME]")
    fields = {
        settings.variable(name).removeprefix(unknown.PREFIX).lower(): name
        for name in settings.Settings.model_fields
    }
    files = {f"{name}_file": name for name in secret_files.NAMES}
    values: dict[str, str] = {}
    for key, value in table.items():
        if key not in fields and key not in files:
            near = unknown.nearest(key, {each: each for each in (*fields, *files)})
            hint = f" Did you mean {near}?" if near else ""
            raise WrongUse(f"{where}: {shown(key)} is not a setting.{hint}")
        if not isinstance(value, str | int) or isinstance(value, bool):
            raise WrongUse(f"{where}: {key} must be a text or a number.")
        field = fields.get(key) or files[key]
        if field in values:
            raise WrongUse(f"{where}: {field} and {field}_file are both set: remove one of them.")
        values[field] = str(value) if key in fields else secret_files.content(key, str(value))
    return values
