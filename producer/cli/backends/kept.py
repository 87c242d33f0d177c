"""What ``tagsweep up`` keeps beside its store: a key for each tenant, and the key that encrypts."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import stat
from pathlib import Path
from typing import Any

from tagsweep.worker import settings
from tagsweep.worker.errors import SettingsError

OTHERS = stat.S_IRWXG | stat.S_IRWXO


def path() -> Path | None:
    """Return where the file is, or would be; None for a store that ends with its process."""
    url = settings.load().database_url
    scheme, _, file = url.partition(":///")
    if scheme == "sqlite":
        return Path(f"{Path(file).resolve()}.keys") if file and file != ":memory:" else None
    if url.startswith("sqlite:"):
        return None
    digest = hashlib.sha256(url.encode()).hexdigest()[:8]
    return Path(f"tagsweep-{digest}.keys").resolve()


def read() -> dict[str, Any]:
    """Return what is kept; raises SettingsError if others may read it, or it is damaged."""
    file = path()
    if file is None or not file.exists():
        return {}
    try:
        is_open, text = file.stat().st_mode & OTHERS, file.read_bytes()
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror or error}.") from None
    if is_open:
        raise SettingsError(f"{file} may be read by others, and holds keys: chmod 600 {file}")
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise SettingsError(f"{file} is damaged: remove it, and `tagsweep up` makes new keys.")
    return found


def write(found: dict[str, Any]) -> None:
    """Keep ``found``, readable by nobody else at any moment; raises SettingsError."""
    file = path()
    if file is None:
        return
    new = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
            json.dump(found, opened)
        new.replace(file)
    except OSError as error:
        with contextlib.suppress(OSError):
            new.unlink()
        raise SettingsError(f"{file} cannot be written: {error.strerror or error}.") from None


def use_secret_key(*, make: bool = False) -> None:
    """Encrypt with the kept key unless TAGSWEEP_SECRET_KEY is set; ``make`` one if none is kept."""
    found = read()
    if make and "secret_key" not in found:
        found["secret_key"] = secrets.token_hex(32)
        write(found)
    if "secret_key" in found:
        settings.supply({"secret_key": found["secret_key"]}, str(path()))
