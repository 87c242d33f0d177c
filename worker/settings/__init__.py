"""The settings: one frozen object, read from the environment once, and only here."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from tagsweep.worker import redaction
from tagsweep.worker.errors import SettingsError
from tagsweep.worker.redaction import masked
from tagsweep.worker.settings import secret_files, unknown
from tagsweep.worker.settings.model import Settings, learn, named, variable
from tagsweep.worker.settings.unknown import UnknownSetting
from tagsweep.worker.settings.urls import AMQP, MEMORY, REDIS, SENTINEL, scheme

__all__ = [
    "AMQP",
    "MEMORY",
    "REDIS",
    "SENTINEL",
    "Settings",
    "UnknownSetting",
    "load",
    "masked",
    "origin",
    "refuse_unknown",
    "scheme",
    "supply",
    "variable",
]

DEFAULT = "default"


@dataclass(slots=True)
class _Process:
    """What this process was told beside its environment."""

    #: prints a line; None: a library, which only warns of variables that are no settings
    report: Callable[[str], object] | None = None
    #: values for fields that the environment does not set, and where each comes from
    supplied: dict[str, tuple[str, str]] = field(default_factory=dict)


_process = _Process()


def refuse_unknown(report: Callable[[str], object]) -> None:
    """From now on, refuse variables that may be mistyped settings; ``report`` any others."""
    _process.report = report
    load.cache_clear()


def supply(values: Mapping[str, str], source: str) -> None:
    """Use these values, by field, where the environment sets none; ``source`` names them."""
    _process.supplied |= {name: (value, source) for name, value in values.items()}
    load.cache_clear()


@cache
def load() -> Settings:
    """Return the settings of the environment.

    Raises SettingsError, which names the variable and what it accepts, or the one that is meant.
    """
    redaction.forget()
    learn(os.environ)
    _tell_unknown()
    files = secret_files.read(os.environ)
    below = {
        name: (value, source)
        for name, (value, source) in _process.supplied.items()
        if name not in files and not _given(variable(name))
    }
    given: dict[str, Any] = {name: value for name, (value, _) in below.items()} | files
    learn({variable(name): value for name, value in given.items()})
    with named({variable(name): source for name, (_, source) in below.items()}):
        return Settings(**given)


def origin(name: str) -> str:
    """Return where the value of the field ``name`` comes from: a variable, a profile, DEFAULT."""
    own = variable(name)
    for candidate in (own, f"{own}_FILE"):
        if _given(candidate):
            return candidate
    return _process.supplied[name][1] if name in _process.supplied else DEFAULT


def _given(name: str) -> bool:
    return any(value for key, value in os.environ.items() if key.upper() == name)


def _tell_unknown() -> None:
    names = [variable(name) for name in Settings.model_fields]
    files = [f"{variable(name)}_FILE" for name in secret_files.NAMES]
    strange = unknown.found(os.environ, [*names, *files])
    if _process.report is None:
        for name, meant in strange.items():
            message = unknown.refused({name: meant}) or unknown.ignored(name)
            warnings.warn(message, UnknownSetting, stacklevel=3)
        return
    if refusal := unknown.refused(strange):
        raise SettingsError(refusal)
    for name in strange:
        _process.report(unknown.ignored(name))
