"""System checks: what is wrong with the project's settings, a line each."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core import checks
from django.utils.module_loading import import_string

from tagsweep.producer.django import configuration, tagged
from tagsweep.worker import settings as environment
from tagsweep.worker.errors import SettingsError
from tagsweep.worker.mapping import file
from tagsweep.worker.models.fields import identifies

Found = Iterator[checks.CheckMessage]


def register() -> None:
    """Have Django run the checks."""
    checks.register(_check, "tagsweep")


def _check(**_: Any) -> list[checks.CheckMessage]:
    given = getattr(settings, "TAGSWEEP", {})
    if not isinstance(given, dict):
        return [_error("E001", "TAGSWEEP has to be a dictionary.")]
    parts: list[Callable[[Mapping[str, Any]], Found]] = [_keys, _database, _map]
    errors = [error for part in parts for error in part(given)]
    return errors or [*_tenant(), *_resources()]


def _error(number: str, problem: str, hint: str | None = None) -> checks.Error:
    return checks.Error(problem, hint=hint, id=f"tagsweep.{number}")


def _keys(given: Mapping[str, Any]) -> Found:
    for name in given.keys() - configuration.DEFAULTS.keys():
        near = difflib.get_close_matches(str(name), configuration.DEFAULTS, n=1)
        every = ", ".join(configuration.DEFAULTS)
        known = f"Did you mean {near[0]}?" if near else f"It has {every}."
        yield _error("E001", f"TAGSWEEP has no key {name!r}.", known)
    if not isinstance(given.get("RESOURCES", {}), dict):
        hint = 'As in {"blog.Article": "articles"}.'
        yield _error("E001", "TAGSWEEP['RESOURCES'] has to be a dictionary.", hint)


def _database(given: Mapping[str, Any]) -> Found:
    alias = given.get("DATABASE", configuration.DEFAULTS["DATABASE"])
    database = settings.DATABASES.get(alias)
    if database is None:
        hint = f"It has {', '.join(settings.DATABASES)}."
        yield _error("E002", f"TAGSWEEP['DATABASE'] is {alias!r}, which DATABASES has not.", hint)
    elif not str(database["ENGINE"]).endswith(("postgresql", "postgis")):
        problem = f"DATABASES[{alias!r}] is not on PostgreSQL, where jobs on your own tables work."
        yield _error("E002", problem, "Name the one that has the tags in TAGSWEEP['DATABASE'].")
    else:
        yield from _store(alias, str(database["NAME"]))


def _store(alias: str, name: str) -> Found:
    try:
        there = configuration.store_name()
    except SettingsError as error:
        yield _error("E003", str(error))
        return
    if there != name:
        problem = f"The store is the database {there!r}, and DATABASES[{alias!r}] is {name!r}."
        hint = f"Set TAGSWEEP_DATABASE_URL to {name!r}, or leave it out."
        yield _error("E003", problem, hint)


def _map(_: Mapping[str, Any]) -> Found:
    path = environment.load().map
    if path is None or not path.exists():
        # the tables have to be there before a map of them can be written
        problem = f"There is no map {path}." if path else "TAGSWEEP['MAP'] names no map."
        hint = f"tagsweep map init --from taggit {path or 'tags.toml'} writes one."
        yield checks.Warning(problem, hint=hint, id="tagsweep.W004")
        return
    try:
        file.load()
    except SettingsError as error:
        for line in str(error).splitlines():
            yield _error("E004", line)


def _tenant() -> Found:
    named = configuration.read()["TENANT"]
    if named is None:
        if configuration.fixed_tenant() is None:
            yield _error("E005", configuration.NO_TENANT)
        return
    if "." in str(named):
        try:
            usable = callable(import_string(named))
        except ImportError:
            usable = False
        if not usable:
            hint = "Name a function that takes the request, as in 'blog.tenants.of_request'."
            yield _error("E005", f"TAGSWEEP['TENANT']: {named!r} is no function.", hint)
    elif not identifies(str(named)):
        problem = f"TAGSWEEP['TENANT'] is {named!r}: it has to be 1 to 36 letters, digits, hyphens."
        yield _error("E005", problem)


def _resources() -> Found:
    mapping = file.load()
    known = ", ".join(mapping.resources) if mapping else ""
    for label, name in configuration.read()["RESOURCES"].items():
        where = f"TAGSWEEP['RESOURCES'][{label!r}]"
        try:
            model = apps.get_model(label)
        except (LookupError, ValueError):
            yield _error("E006", f"{where}: there is no model {label!r}.")
            continue
        if tagged.of(model) is None:
            yield _error("E006", f"{where}: the model has no TaggableManager of django-taggit.")
        if mapping and name not in mapping.resources:
            yield _error("E006", f"{where}: the map has no resource {name!r}.", f"It has {known}.")
