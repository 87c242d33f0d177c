"""Requests signed with a pair of keys (``SDK-HMAC-SHA256``), as the official SDK signs them.

A signature covers method, path, query, the headers that it names, and the body.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, quote, unquote

from starlette.requests import Request

ALGORITHM = "SDK-HMAC-SHA256"
#: how far the signer's clock may be off, and so how long a signature may be used
WINDOW = timedelta(minutes=15)

_AUTHORIZATION = re.compile(
    ALGORITHM + r"\s+Access=([A-Za-z0-9]{1,64}),\s*"
    r"SignedHeaders=([a-z0-9;-]{1,2048}),\s*Signature=([0-9a-f]{64})"
)
_DATE = re.compile(r"\d{8}T\d{6}Z")
#: what every signature must cover, or it could be replayed to another server or on another day
_NEEDED = frozenset({"host", "x-sdk-date"})


class NotSigned(ValueError):
    """The request has no usable signature."""


@dataclass(frozen=True, slots=True)
class Signature:
    """The contents of the header Authorization."""

    access_key: str
    headers: tuple[str, ...]  #: the covered headers, in lower case, in this order
    value: str  #: 64 hexadecimal digits
    date: str  #: X-Sdk-Date

    def covers(self, name: str) -> bool:
        """Return whether the header ``name`` is part of what was signed."""
        return name in self.headers


def read(request: Request) -> Signature:
    """Return the request's signature, not yet verified; raises NotSigned."""
    given = request.headers.getlist("authorization")
    match = _AUTHORIZATION.fullmatch(given[0]) if len(given) == 1 else None
    if match is None:
        raise NotSigned("There is no usable signature in the header Authorization.")
    names = tuple(match[2].split(";"))
    if not _NEEDED.issubset(names) or len(set(names)) < len(names):
        raise NotSigned("The signature must cover the headers host and x-sdk-date.")
    dates = request.headers.getlist("x-sdk-date")
    if len(dates) != 1 or not _DATE.fullmatch(dates[0]):
        raise NotSigned("X-Sdk-Date must be given once, like 20260131T120000Z.")
    return Signature(match[1], names, match[3], dates[0])


def in_time(signature: Signature, now: datetime | None = None) -> bool:
    """Return whether the signature was made within WINDOW of ``now``."""
    try:
        made = datetime.strptime(signature.date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:  # the 31st of February
        return False
    return abs((now or datetime.now(UTC)) - made) <= WINDOW


def fits(signature: Signature, request: Request, body: bytes, secret: str) -> bool:
    """Tell whether the request is what was signed with ``secret``; takes as long either way."""
    covered: dict[str, list[bytes]] = {}
    for name, value in request.headers.raw:
        covered.setdefault(name.decode("latin-1").lower(), []).append(value.strip())
    if any(len(covered.get(name, ())) != 1 for name in signature.headers):
        return False
    values = {name: covered[name][0] for name in signature.headers}
    canonical = _canonical(request, values, body)
    to_sign = f"{ALGORITHM}\n{signature.date}\n{hashlib.sha256(canonical).hexdigest()}"
    expected = hmac.new(secret.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, signature.value)


def _canonical(request: Request, covered: Mapping[str, bytes], body: bytes) -> bytes:
    path = request.scope["raw_path"].decode("latin-1")
    path = "/".join(quote(segment, safe="~") for segment in unquote(path).split("/"))
    query = parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True)
    pairs = "&".join(
        f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in sorted(query)
    )
    lines = [
        request.method.encode(),
        (path if path.endswith("/") else path + "/").encode(),
        pairs.encode(),
        *(name.encode() + b":" + value for name, value in covered.items()),
        b"",
        ";".join(covered).encode(),
        hashlib.sha256(body).hexdigest().encode(),
    ]
    return b"\n".join(lines)
