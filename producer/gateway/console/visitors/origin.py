"""From where a page is seen: its host, the path before it, its cookie; nobody else is answered."""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urlsplit

from starlette.requests import Request

from tagsweep.producer.gateway import state
from tagsweep.producer.gateway.errors import Refusal

#: under which the console is served
CONSOLE = "/console"
_PORTS = {"http": 80, "https": 443}

FOREIGN_HOST = (
    "The console does not answer to this host name. Use 127.0.0.1, or set TAGSWEEP_PUBLIC_URL to "
    "where people see the gateway."
)
FOREIGN_ORIGIN = "The form was sent from another site. Open the console and send it from there."


class Origin:
    """Where the browser sees this page.

    Raises Refusal (421) for a host that is neither loopback nor that of TAGSWEEP_PUBLIC_URL: a name
    that somebody else lets resolve to this machine.
    """

    def __init__(self, request: Request) -> None:
        url = state.of(request).settings.public_url
        public = urlsplit(url) if url else None
        seen = _split(f"//{request.headers.get('host', '')}")
        if public is not None and _place(public) == _place(seen, public.scheme):
            self.scheme, self.prefix = public.scheme, public.path
        elif _is_loopback(seen):
            self.scheme, self.prefix = "http", ""
        else:
            raise Refusal(421, FOREIGN_HOST)
        self._place = _place(seen, self.scheme)
        self._host = request.headers["host"]

    @property
    def console(self) -> str:
        """The path of the console, as the browser names it."""
        return self.prefix + CONSOLE

    @property
    def gateway(self) -> str:
        """The URL of the gateway, as whoever sees this page reaches it."""
        return f"{self.scheme}://{self._host}{self.prefix}"

    @property
    def is_secure(self) -> bool:
        """Whether the browser speaks TLS."""
        return self.scheme == "https"

    @property
    def cookie(self) -> str:
        """The name of the session's cookie: browsers share cookies among the ports of a host."""
        name = f"tagsweep-{self._place[1]}"
        return f"__Host-{name}" if self.is_secure else name

    def check_sender(self, request: Request) -> None:
        """Raise Refusal (403) unless a page of this very origin has sent the request.

        Pages with ``Referrer-Policy: no-referrer`` send plain forms with the origin ``null``: those
        count if the browser itself says that they come from here.
        """
        given = request.headers.getlist("origin")
        if given == ["null"] and request.headers.get("sec-fetch-site") == "same-origin":
            return
        parts = _split(given[0]) if len(given) == 1 else _split("")
        if parts.scheme != self.scheme or _place(parts) != self._place:
            raise Refusal(403, FOREIGN_ORIGIN)


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def _place(parts: SplitResult, scheme: str = "") -> tuple[str, int]:
    """Return host and port; ``scheme`` decides the port where none is given."""
    try:
        port = parts.port
    except ValueError:
        return "", 0
    return parts.hostname or "", port or _PORTS.get(scheme or parts.scheme, 80)


def _is_loopback(parts: SplitResult) -> bool:
    host = _place(parts)[0]
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
