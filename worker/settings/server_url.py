"""The URLs of broker, events and results: which ones are accepted, and what each part may be.

Every part of a URL is either honoured or refused, and no message repeats a part that may be a
secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

from tagsweep.worker.settings.urls import (
    AMQP,
    REDIS,
    SENTINEL,
    SOCKET,
    scheme,
)

#: other spellings of a Redis on a socket
_SOCKETS = {"unix": SOCKET, "redis+unix": SOCKET, SOCKET: SOCKET}
#: schemes that nothing may follow
_BARE = ("memory", "cache+memory", "rpc", "disabled")
_TLS = ["ssl_cert_reqs", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname"]
_PARAMETERS = {"rediss": _TLS, SENTINEL: _TLS, SOCKET: ["virtual_host"]}
_VALUES = {
    "ssl_cert_reqs": r"required|optional|none",
    "ssl_check_hostname": r"true|false",
    "virtual_host": r"\d{1,9}",
}
_HOST = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:\[\]@,%]+)(?::(?P<port>\d{1,5}))?")
SENTINEL_PORT = 26_379
_PORTS = range(1, 65_536)
_PLAIN = re.compile(r"[\w.~!$&'()*+,=%\-]*", re.ASCII)
_ENCODED = "in a password, / ? # @ ; and % are written %2F %3F %23 %40 %3B and %25"


@dataclass(frozen=True, slots=True)
class Server:
    """One server and how to log in, as in its URL."""

    scheme: str
    user: str = ""  #: decoded, like the password
    password: str = ""
    place: str = ""  #: host and port
    path: str = ""  #: with its leading slash
    parameters: tuple[tuple[str, str], ...] = ()

    @property
    def host(self) -> str:
        """The host, without the brackets of an IPv6 address."""
        return self.place.rpartition(":")[0].strip("[]") if self._has_port else self.place

    @property
    def port(self) -> int | None:
        """The port; None: the default one."""
        return int(self.place.rpartition(":")[2]) if self._has_port else None

    @property
    def database(self) -> int:
        """The number of the Redis database."""
        number = dict(self.parameters).get("virtual_host") or self.path.strip("/")
        return int(number or 0)

    @property
    def tls(self) -> dict[str, Any]:
        """The TLS options for sentinels and their master, as redis-py takes them; empty: no TLS.

        Any parameter turns TLS on. Certificates are verified unless one says otherwise.
        """
        if scheme(self.scheme) != SENTINEL or not self.parameters:
            return {}
        given = dict(self.parameters)
        by_name = given.pop("ssl_check_hostname", "true") == "true"
        return {"ssl_cert_reqs": "required", **given, "ssl_check_hostname": by_name}

    @property
    def _has_port(self) -> bool:
        return re.search(r":\d+$", self.place) is not None

    def rendered(self) -> str:
        """Return the URL in a form that all libraries read the same way."""
        login = _quoted(self.user) + (f":{_quoted(self.password)}" if self.password else "")
        query = "&".join(f"{name}={quote(text, safe='/')}" for name, text in self.parameters)
        return (
            f"{self.scheme}://{login + '@' if login else ''}{self.place}{self.path}"
            f"{'?' if query else ''}{query}"
        )


def check(*schemes: str) -> Callable[[str], str]:
    """Return a function that returns a URL of these ``schemes`` in its canonical form.

    It raises a ValueError that says what is wrong.
    """

    def normal(url: str) -> str:
        url = url.strip()
        kind = _kind(url)
        if "://" not in url or kind not in schemes:
            shown = ", ".join(f"{name}://" for name in schemes)
            raise ValueError(f"must start with one of {shown}")
        if kind in _BARE:
            if url.partition("://")[2]:
                raise ValueError(f"must have nothing after {kind}://")
            return f"{kind}://"
        return ";".join(server.rendered() for server in _servers(url))

    return normal


def servers(url: str) -> list[Server]:
    """Return the servers in a URL that ``check`` has accepted."""
    return [_server(member) for member in url.split(";")]


def plain(url: str) -> str:
    """Return a URL that ``check`` has accepted, without its parameters."""
    return ";".join(replace(server, parameters=()).rendered() for server in servers(url))


def _kind(url: str) -> str:
    return _SOCKETS.get(scheme(url), scheme(url))


def _servers(url: str) -> Iterable[Server]:
    kind = _kind(url)
    members = [member.strip() for member in url.split(";")]
    if any("://" not in member for member in members):
        raise ValueError(f"has a ; that is not followed by another {kind}://; {_ENCODED}")
    if any(_kind(member) != kind for member in members):
        raise ValueError("names servers of different kinds: all must have the same scheme")
    named = [_server(member) for member in members]
    if len(named) > 1 and kind not in (*AMQP, SENTINEL):
        raise ValueError("names several servers: only amqp:// and sentinel:// can")
    return _same(named) if kind == SENTINEL else named


def _same(sentinels: list[Server]) -> list[Server]:
    """Give all sentinels the same master: what one of them names applies to all."""
    parts = ("user", "password", "path", "parameters")
    named = {
        part: {value for server in sentinels if (value := getattr(server, part))} for part in parts
    }
    for part, values in named.items():
        if len(values) > 1:
            what = "database" if part == "path" else part
            raise ValueError(f"names more than one {what} for the same master")
    alike = {part: next(iter(values)) for part, values in named.items() if values}
    # always explicit: Celery would use the port of a Redis
    places = [each.place if each.port else f"{each.place}:{SENTINEL_PORT}" for each in sentinels]
    pairs = zip(sentinels, places, strict=True)
    return [replace(server, **alike, place=place) for server, place in pairs]


def _server(url: str) -> Server:
    head, _, rest = url.partition("://")
    kind = _kind(url)
    if re.search(r"[\s\x00-\x1f\x7f]", rest):
        raise ValueError("contains a space or a control character; a space is written %20")
    if "#" in rest:
        raise ValueError(f"contains a #; {_ENCODED}")
    authority = re.split(r"[/?]", rest, maxsplit=1)[0]
    if "@" in rest[len(authority) :]:
        raise ValueError(f"has an @ after its host; {_ENCODED}")
    login, _, place = authority.rpartition("@")
    path, _, query = rest[len(authority) :].partition("?")
    user, _, password = login.partition(":")
    server = Server(
        kind if kind == SOCKET else head,
        unquote(user),
        unquote(password),
        place,
        path,
        tuple(_parameters(kind, query)),
    )
    return _checked(kind, server)


def _checked(kind: str, server: Server) -> Server:
    if kind == SOCKET:
        if server.place or len(server.path) < len("/x"):
            raise ValueError(f"must be {SOCKET}:/// followed by the absolute path of a socket")
        return server
    if not server.place:
        raise ValueError("has no host")
    match = _HOST.fullmatch(server.place)
    if match is None or int(match["port"] or 1) not in _PORTS:
        problem = f"has an invalid host or port: write host:port, 1 to {_PORTS[-1]}"
        raise ValueError(f"{problem}; {_ENCODED}")
    if kind in REDIS and not re.fullmatch(r"/?\d{0,9}", server.path):
        raise ValueError("must end in the number of a database, such as /0")
    return server


def _parameters(kind: str, query: str) -> Iterable[tuple[str, str]]:
    known = _PARAMETERS.get(kind, [])
    pairs = parse_qsl(query, keep_blank_values=True)
    if kind == SOCKET:  # redis-py's name for it
        pairs = [("virtual_host" if name == "db" else name, text) for name, text in pairs]
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("has the same parameter twice")
    for name, text in pairs:
        if name not in known:
            raise ValueError(_unknown(kind, name, known))
        value = text.lower().removeprefix("cert_") if name in _VALUES else text
        if not re.fullmatch(_VALUES.get(name, r"[^\0]+"), value):
            wanted = _VALUES.get(name, "a path").replace("|", ", ").replace(r"\d{1,9}", "a number")
            raise ValueError(f"has a parameter {name} that must be: {wanted}")
        yield name, value


def _unknown(kind: str, name: str, known: list[str]) -> str:
    shown = name if re.fullmatch(r"\w{1,40}", name) else "of another name"
    if kind == "amqps":
        hint = "SSL_CERT_FILE names the certificates to trust"
    elif name in _TLS:
        hint = "for TLS, use rediss://, or sentinel:// with this parameter"
    else:
        hint = f"supported are {', '.join(known)}" if known else f"{kind}:// takes none"
    return f"has a parameter {shown} that is not supported; {hint}"


def _quoted(text: str) -> str:
    return text if _PLAIN.fullmatch(text) and "%" not in text else quote(text, safe="")
