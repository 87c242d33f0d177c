"""The settings of a Django project: ``TAGSWEEP``, and the database that its tables are in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from django.conf import settings
from django.utils.module_loading import import_string

from tagsweep.worker import settings as environment
from tagsweep.worker.mapping import file
from tagsweep.worker.settings import database_url

#: the keys of ``TAGSWEEP``, and their defaults
DEFAULTS: dict[str, Any] = {"DATABASE": "default", "MAP": None, "TENANT": None, "RESOURCES": {}}
SOURCE = "TAGSWEEP in Django's settings"

NO_TENANT = (
    "The map says no tenant (tenant_fixed): name it in TENANT, or the function of the request that "
    "returns it."
)


def read() -> Mapping[str, Any]:
    """Return the keys of ``TAGSWEEP``."""
    given = getattr(settings, "TAGSWEEP", {})
    # anything else is named by the checks
    return {**DEFAULTS, **given} if isinstance(given, dict) else DEFAULTS


def alias() -> str:
    """Return which of ``DATABASES`` has the application's tags, and tagsweep's own tables."""
    return str(read()["DATABASE"])


def supply() -> None:
    """Let tagsweep work on the project's database, unless the environment names another."""
    given: dict[str, str] = {}
    options = read()
    if options["MAP"]:
        given["map"] = str(options["MAP"])
    database = settings.DATABASES.get(options["DATABASE"], {})
    if str(database.get("ENGINE", "")).endswith(("postgresql", "postgis")):
        given["database_url"] = _url(database)
    environment.supply(given, SOURCE)


def _url(database: Mapping[str, Any]) -> str:
    """Return the URL of one of ``DATABASES``."""
    user, password, host, port = (
        quote(str(database.get(key) or ""), safe="") for key in ("USER", "PASSWORD", "HOST", "PORT")
    )
    login = f"{user}{password and ':'}{password}" + "@" * bool(user)
    more = {
        name: str(value)
        for name, value in (database.get("OPTIONS") or {}).items()
        if name.startswith("ssl") or name in ("service", "passfile", "target_session_attrs")
    }
    if host.startswith("%2F"):  # the folder of a socket
        host, more = "", {"host": str(database["HOST"]), **more}
    server = f"{login}{host}{port and ':'}{port}"
    name = quote(str(database.get("NAME") or ""), safe="")
    return f"postgresql://{server}/{name}" + (f"?{urlencode(more)}" if more else "")


def store_name() -> str:
    """Return the name of the database that tagsweep works on; raises SettingsError."""
    url = environment.load().database_url
    if not url.startswith(database_url.POSTGRESQL):
        return database_url.described(url)
    return database_url.target(url).parameters.get("dbname", "")


def tenant_of(request: Any) -> str:
    """Return whose tags a request is about; raises ValueError if nothing says it."""
    found = fixed_tenant()
    if found is None and (name := read()["TENANT"]):
        found = import_string(name)(request)
    if not found:
        raise ValueError(NO_TENANT)
    return str(found)


def fixed_tenant() -> str | None:
    """Return the one tenant that the project is about; None if each request has its own."""
    named = read()["TENANT"]
    if named:
        return None if "." in named else str(named)
    mapping = file.load()
    if mapping is None:
        return None
    tenants = {mapping.tags_of(name).tenant_fixed for name in mapping.resources}
    return tenants.pop() if len(tenants) == 1 else None
