"""The HTTP client of the gateway that TAGSWEEP_URL names, with the caller's key.

It follows no redirect, which could carry the key elsewhere, and every wait has a timeout.
"""

from __future__ import annotations

import codecs
import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any, Protocol
from urllib.parse import urlsplit

from tagsweep.worker.errors import Retryable, TagsweepError

CONNECT_S = 2.0
#: how long a small request may take; a gateway whose store hangs says so sooner
ANSWER_S = 2.5
#: bytes of a refusal's body that are read
MAX_REFUSAL = 1 << 20

#: bytes of a long text that are read at a time
PIECE = 1 << 16
BROKEN = "The answer of the gateway at {url} broke off: what arrived is incomplete. Try again."

SUCCESS = range(200, 300)
REDIRECT = range(300, 400)


class Body(Protocol):
    """The body of a request, in pieces, so that it is never whole in memory."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[bytes]: ...


class GatewayUnavailable(Retryable):
    """The gateway does not answer."""


class Refused(TagsweepError):
    """The gateway answered with an error status."""

    def __init__(self, status: int, body: object, retry_after: str | None) -> None:
        self.status = status
        self.body: dict[str, Any] | None = body if isinstance(body, dict) else None
        self.retry_after = retry_after
        super().__init__(f"The gateway answered {status}.")


@dataclass(frozen=True, slots=True)
class Client:
    """A gateway and the API key for it."""

    url: str
    key: str

    def get(self, path: str, seconds: float = ANSWER_S) -> Any:
        """Return the JSON at ``path``; raises GatewayUnavailable, Refused."""
        return self._ask("GET", path, seconds=seconds)

    def post(
        self,
        path: str,
        body: Body | None = None,
        headers: Mapping[str, str] | None = None,
        seconds: float = ANSWER_S,
    ) -> Any:
        """Send ``body`` to ``path`` and return the JSON of the answer; errors as above."""
        return self._ask("POST", path, body, headers, seconds)

    def patch(self, path: str, body: Body, seconds: float = ANSWER_S) -> Any:
        """Change what is at ``path`` and return the JSON of the answer; errors as above."""
        return self._ask("PATCH", path, body, seconds=seconds)

    def delete(self, path: str) -> None:
        """Delete what is at ``path``; errors as above."""
        with self._sent("DELETE", path, None, {}, ANSWER_S) as (_, response):
            if response.status not in SUCCESS:
                raise self._refusal(response)

    @contextmanager
    def stream(
        self, path: str, headers: Mapping[str, str], silence_s: float
    ) -> Iterator[HTTPResponse]:
        """Open an endless answer, which sends something at least every ``silence_s``."""
        with self._sent("GET", path, None, headers, ANSWER_S) as (line, response):
            if response.status not in SUCCESS:
                raise self._refusal(response)
            line.settimeout(silence_s)
            try:
                yield response
            finally:  # wakes a thread that is reading: closing would wait for it
                with suppress(OSError):
                    line.shutdown(socket.SHUT_RDWR)

    def text(self, path: str, media_type: str, silence_s: float) -> Iterator[str]:
        """Yield the text at ``path`` in pieces, however long it is.

        Raises TagsweepError if it breaks off: what was yielded is incomplete then.
        """
        with self.stream(path, {"Accept": media_type}, silence_s) as response:
            decode = codecs.getincrementaldecoder("utf-8")().decode
            try:
                while piece := response.read1(PIECE):
                    yield decode(piece)
            except (OSError, HTTPException) as error:
                raise TagsweepError(BROKEN.format(url=self.url)) from error

    def _ask(
        self,
        method: str,
        path: str,
        body: Body | None = None,
        headers: Mapping[str, str] | None = None,
        seconds: float = ANSWER_S,
    ) -> Any:
        with self._sent(method, path, body, headers or {}, seconds) as (_, response):
            if response.status not in SUCCESS:
                raise self._refusal(response)
            try:
                return json.loads(response.read())
            except ValueError:
                raise self._no_gateway() from None

    @contextmanager
    def _sent(
        self,
        method: str,
        path: str,
        body: Body | None,
        headers: Mapping[str, str],
        seconds: float,
    ) -> Iterator[tuple[socket.socket, HTTPResponse]]:
        given = {**headers, "x-api-key": self.key, "Accept-Encoding": "identity"}
        if body is not None:
            given |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
        try:
            connection = self._connected(seconds)
            line = connection.sock
            with closing(connection):
                # a gateway that refuses a long body may close before it has read all of it
                with suppress(BrokenPipeError, ConnectionResetError):
                    connection.request(method, urlsplit(self.url).path + path, body, given)
                yield line, connection.getresponse()
        except (OSError, HTTPException, UnicodeError) as error:
            raise self._down(error) from error

    def _connected(self, seconds: float) -> HTTPConnection:
        parts = urlsplit(self.url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=CONNECT_S)
        connection.connect()
        connection.sock.settimeout(seconds)
        return connection

    def _down(self, error: Exception) -> TagsweepError:
        if isinstance(error, TimeoutError):
            reason = "no answer in time"
        elif isinstance(error, OSError) and not isinstance(error, HTTPException):
            reason = str(error.strerror or error)
        else:
            reason = f"what answers there does not speak HTTP: {type(error).__name__}"
        return GatewayUnavailable(
            f"The gateway at {self.url} does not answer ({reason}). Start it, or set TAGSWEEP_URL "
            "to where it is; with TAGSWEEP_API_KEY unset, commands use the store directly."
        )

    def _refusal(self, response: HTTPResponse) -> TagsweepError:
        if response.status in REDIRECT:
            return TagsweepError(
                f"The gateway at {self.url} answers with a redirect, which is not followed: set "
                "TAGSWEEP_URL to its real address."
            )
        try:
            body = json.loads(response.read(MAX_REFUSAL))
        except ValueError:
            body = None
        return Refused(response.status, body, response.getheader("Retry-After"))

    def _no_gateway(self) -> TagsweepError:
        return TagsweepError(
            f"What answers at {self.url} is not a tagsweep gateway: "
            "set TAGSWEEP_URL to where it is."
        )
