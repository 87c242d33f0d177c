"""The URL of the store: which URLs are accepted, and what they mean to the PostgreSQL driver.

Both libpq's and SQLAlchemy's forms are read. Every part of a URL is either honoured or refused, and
no message repeats a part that may be a secret.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from urllib.parse import quote, unquote, urlencode

from tagsweep.worker.settings import libpq

SQLITE, POSTGRESQL = "sqlite", "postgresql"
_SCHEMES = f"must start with one of {SQLITE}://, {POSTGRESQL}://"
_DRIVERS = {SQLITE: "pysqlite", POSTGRESQL: "psycopg"}
_PORTS = range(1, 65_536)
#: a raw "/" or "?" in a password, which SQLAlchemy accepts and libpq does not
_RAW = re.compile(r"(?P<user>[^:@/?]*):(?P<password>.*?)@(?P<rest>[^@/?]*(?:[/?].*)?)", re.DOTALL)
_HOST = re.compile(r"(?:\[(?P<v6>[^\[\]]*)\]|(?P<name>[^:\[\]]*))(?::(?P<port>\d*))?")
_PAIR = re.compile(r"(?:\[(?P<v6>[^\[\]]+)\]|(?P<name>[^:/@]+)):(?P<port>\d+)")
_ENCODED = "in a password, / ? # @ and % are written %2F %3F %23 %40 and %25"


@dataclass(frozen=True, slots=True)
class Target:
    """A PostgreSQL server, or several to choose from, and how to log in."""

    hosts: tuple[tuple[str, str], ...] = ()  #: (host, port); either may be empty
    parameters: Mapping[str, str] = field(default_factory=dict)  #: all others, by libpq's names
    options: Mapping[str, str] = field(default_factory=dict)  #: settings of the session

    def arguments(self) -> dict[str, str]:
        """Return the connection parameters, without ``options``, which poolers reject."""
        given = {name: text for name, text in self.parameters.items() if name != "options"}
        if any(host for host, _ in self.hosts):
            given["host"] = ",".join(host for host, _ in self.hosts)
        if any(port for _, port in self.hosts):
            given["port"] = ",".join(port for _, port in self.hosts)
        return given


def normal(url: str) -> str:
    """Return ``url`` stripped and in its canonical form; ValueError says what is wrong."""
    url = url.strip()
    kind, mark, rest = url.partition("://")
    kind, _, driver = kind.lower().partition("+")
    kind = POSTGRESQL if kind == "postgres" else kind
    if not mark or kind not in _DRIVERS:
        raise ValueError(_SCHEMES)
    if driver not in ("", _DRIVERS[kind]):
        named = f"the driver {driver}" if re.fullmatch(r"\w{1,20}", driver) else "a driver"
        raise ValueError(f"names {named}, which tagsweep does not use: write {kind}://")
    if re.search(r"[\x00-\x1f\x7f]", rest):
        raise ValueError("contains a control character")
    return _file(rest) if kind == SQLITE else _rendered(_target(rest))


def target(url: str) -> Target:
    """Return the parts of a PostgreSQL URL that ``normal`` returned."""
    return _target(url.partition("://")[2])


def described(url: str) -> str:
    """Return where the store is, without a password; for a file, its absolute path."""
    if url.startswith(f"{SQLITE}:"):
        file = url.partition(":///")[2]
        return f"{SQLITE}:///{Path(file).resolve()}" if file else url
    return shown(url)


def shown(url: str) -> str:
    """Return a URL that ``normal`` returned without its secrets: where, and as which user."""
    if not url.startswith(f"{POSTGRESQL}://"):
        return url
    server = target(url)
    user = server.parameters.get("user", "")
    login = user + (":***" if "password" in server.parameters else "")
    database = f"/{server.parameters['dbname']}" if "dbname" in server.parameters else ""
    sockets = [host for host, _ in server.hosts if host.startswith(("/", "@"))]
    where = "" if sockets else ",".join(_place(*pair) for pair in server.hosts)
    more = f"?host={','.join(sockets)}" if sockets else ""
    return f"{POSTGRESQL}://{login + '@' if login else ''}{where}{database}{more}"


def _file(rest: str) -> str:
    if not rest.startswith("/") and rest:
        raise ValueError(
            "must have three slashes before a relative path, four before an absolute one"
        )
    if "?" in rest:
        raise ValueError(f"has parameters, and {SQLITE}:// takes none")
    return f"{SQLITE}://{rest}"


@cache
def _target(rest: str) -> Target:
    """Return the parts of what follows ``://``."""
    login, hosts, database, query = _split(rest)
    given = _pairs(query)
    for name, text in zip(libpq.LOGIN, (*login, database), strict=True):
        if text:
            given[name].append(unquote(text))
    places = _places(hosts, given.pop("host", []), given.pop("port", []))
    for name, texts in given.items():
        libpq.check(name, texts)
    parameters = {name: texts[0] for name, texts in given.items()}
    return Target(places, parameters, libpq.settings_in(parameters.get("options", "")))


def _split(rest: str) -> tuple[tuple[str, str], str, str, str]:
    """Return user and password, hosts, database and query, none of them decoded."""
    login = ("", "")
    authority = re.split(r"[/?]", rest, maxsplit=1)[0]
    if "@" in authority:
        user, _, password = authority.rpartition("@")[0].partition(":")
        login, rest = (user, password), rest[len(authority.rpartition("@")[0]) + 1 :]
    elif (raw := _RAW.fullmatch(rest)) and (
        "@" in rest.partition("?")[0] or not _are_hosts(authority)
    ):
        login, rest = (raw["user"], raw["password"]), raw["rest"]
    place, _, query = rest.partition("?")
    hosts, _, database = place.partition("/")
    return login, hosts, database, query


def _are_hosts(text: str) -> bool:
    return all(_HOST.fullmatch(host) for host in text.split(","))


def _pairs(query: str) -> defaultdict[str, list[str]]:
    """Return the parameters of the query: all values of each name, in order."""
    given: defaultdict[str, list[str]] = defaultdict(list)
    for pair in filter(None, query.split("&")):
        name, mark, text = pair.partition("=")
        if not mark:
            raise ValueError(f"has a parameter without a value; {_ENCODED}")
        # a "+" is a space to SQLAlchemy, itself to libpq; between options only a space makes sense
        text = text.replace("+", " ") if name == "options" else text
        if (name, text) == ("ssl", "true"):  # JDBC's form, which libpq accepts too
            name, text = "sslmode", "require"
        given[unquote(name)].append(unquote(text))
    return given


def _places(authority: str, hosts: list[str], ports: list[str]) -> tuple[tuple[str, str], ...]:
    """Return each host with its port, from the authority or from the query."""
    pairs = [_host(host) for host in authority.split(",")] if authority else []
    named = [_pair(host) for text in hosts for host in text.split(",")]
    if named and any(host for host, _ in pairs):
        raise ValueError("names its host twice")
    port_list = [port for text in ports for port in text.split(",")]
    if named and pairs and not port_list:
        port_list = [port for _, port in pairs]
    pairs = named or pairs or ([("", "")] if port_list else [])
    if port_list and len(port_list) not in (1, len(pairs)):
        raise ValueError("has a different number of ports than hosts")
    if len(port_list) == 1:
        port_list *= len(pairs)
    if port_list:
        both = zip(pairs, port_list, strict=True)
        pairs = [(host, own or port) for (host, own), port in both]
    if any(port and (not port.isdecimal() or int(port) not in _PORTS) for _, port in pairs):
        raise ValueError(f"has a port that is not a number from 1 to {_PORTS[-1]}")
    return tuple(pairs)


def _host(text: str) -> tuple[str, str]:
    match = _HOST.fullmatch(text)
    if match is None:
        raise ValueError(
            "has an invalid host or port: write host:port or [IPv6]:port, with commas "
            f"between several; {_ENCODED}"
        )
    return unquote(match["v6"] or match["name"] or ""), match["port"] or ""


def _pair(text: str) -> tuple[str, str]:
    """Return host and port of ``host=a:1``, SQLAlchemy's form; paths and addresses have no port."""
    match = _PAIR.fullmatch(text)
    return (match["v6"] or match["name"], match["port"]) if match else (text, "")


def _rendered(server: Target) -> str:
    """Return the canonical form of a target, which both libpq and SQLAlchemy read."""
    given = dict(server.parameters)
    user, password, database = (quote(given.pop(name, ""), safe="") for name in libpq.LOGIN)
    login = user + (f":{password}" if password else "")
    query = urlencode(given, quote_via=quote, safe="/")
    where = ""
    if len(server.hosts) == 1 and re.fullmatch(r"[^/@,%]*", server.hosts[0][0]):
        where = _place(*server.hosts[0])
    elif server.hosts:
        arguments = server.arguments()
        places = [(name, arguments[name]) for name in ("host", "port") if name in arguments]
        query = "&".join(filter(None, (urlencode(places, quote_via=quote, safe="/,"), query)))
    path = f"/{database}" if database or query else ""
    return (
        f"{POSTGRESQL}://{login + '@' if login else ''}{where}{path}{'?' if query else ''}{query}"
    )


def _place(host: str, port: str) -> str:
    name = f"[{host}]" if ":" in host else host
    return f"{name}:{port}" if port else name
