"""One request to a receiver: to an address that was checked, without redirect and without proxy."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from importlib import metadata

import h11

from tagsweep.worker.models.events import stamp
from tagsweep.worker.webhooks import addresses
from tagsweep.worker.webhooks.addresses import AddressRefused, Target
from tagsweep.worker.webhooks.schedule import Attempt

#: bytes of an answer that are read
MOST_ANSWER = 1024
#: bytes of an answer's head
MOST_HEAD = 16_384
PIECE = 4096
SUCCESS, REDIRECTS = range(200, 300), range(300, 400)

SILENT = "No answer within {seconds:g} s."
NO_HTTP = "What answers there does not speak HTTP."
BROKEN = "The connection broke off before an answer."
REDIRECT = "It answered {status}, a redirect, which is not followed."
ERROR = "It answered {status}."
UNREACHABLE = "It cannot be connected to: {why}."
NO_CERTIFICATE = "Its certificate is not valid for {host}: {why}."


class NoAnswer(Exception):
    """There is no answer; the message says why."""


class Poster:
    """Sends requests; names are resolved in threads of its own."""

    def __init__(self, resolvers: int, timeout_s: float) -> None:
        self._resolvers = ThreadPoolExecutor(resolvers, "tagsweep-resolver")
        self._timeout_s = timeout_s

    async def post(self, url: str, headers: Sequence[tuple[str, str]], body: str) -> Attempt:
        """Send ``body`` to ``url``, and return what became of it."""
        at, start = stamp(datetime.now(UTC)), time.monotonic()
        status: int | None = None
        try:
            async with asyncio.timeout(self._timeout_s):
                status = await self._answer(url, headers, body)
            reason = _fault(status)
        except TimeoutError:
            reason = SILENT.format(seconds=self._timeout_s)
        except (NoAnswer, AddressRefused) as error:
            reason = str(error)
        return Attempt(at, time.monotonic() - start, status, reason)

    def close(self) -> None:
        """Release its threads; one that waits for a name ends when it has it."""
        self._resolvers.shutdown(wait=False, cancel_futures=True)

    async def _answer(self, url: str, headers: Sequence[tuple[str, str]], body: str) -> int:
        loop = asyncio.get_running_loop()
        target = await loop.run_in_executor(self._resolvers, addresses.resolved, url)
        reader, writer = await _connected(target)
        try:
            return await _exchange(reader, writer, target, headers, body.encode())
        except (OSError, h11.RemoteProtocolError) as error:
            is_rubbish = isinstance(error, h11.RemoteProtocolError)
            raise NoAnswer(NO_HTTP if is_rubbish else BROKEN) from None
        finally:
            writer.transport.abort()  # nothing more is wanted of it, and it may never close


def _fault(status: int) -> str | None:
    if status in SUCCESS:
        return None
    return (REDIRECT if status in REDIRECTS else ERROR).format(status=status)


async def _connected(target: Target) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to the first of the addresses that answers; raises NoAnswer."""
    context = _context() if target.is_encrypted else None
    name = target.host if target.is_encrypted else None
    why = "it has no address"
    for address in target.addresses:
        try:
            return await asyncio.open_connection(
                address, target.port, ssl=context, server_hostname=name, limit=MOST_HEAD
            )
        except ssl.SSLCertVerificationError as error:
            why = error.verify_message
            raise NoAnswer(NO_CERTIFICATE.format(host=target.host, why=why)) from None
        except (OSError, UnicodeError) as error:
            why = getattr(error, "strerror", None) or type(error).__name__
    raise NoAnswer(UNREACHABLE.format(why=why))


@cache
def _context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


async def _exchange(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    target: Target,
    headers: Sequence[tuple[str, str]],
    body: bytes,
) -> int:
    """Send a request and return the status of the answer."""
    own = [
        ("Host", target.netloc),
        ("User-Agent", _agent()),
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Accept-Encoding", "identity"),
        ("Connection", "close"),
    ]
    talk = h11.Connection(h11.CLIENT, max_incomplete_event_size=MOST_HEAD)
    request = h11.Request(method="POST", target=target.path, headers=[*own, *headers])
    for piece in (request, h11.Data(data=body), h11.EndOfMessage()):
        writer.write(talk.send(piece) or b"")
    with suppress(ConnectionError):  # it may answer before it has read all
        await writer.drain()
    while True:
        event = talk.next_event()
        if isinstance(event, h11.Response):
            await _read_on(reader, talk)
            return event.status_code
        if event is h11.NEED_DATA:
            talk.receive_data(await reader.read(PIECE))
        elif isinstance(event, h11.ConnectionClosed):
            raise NoAnswer(BROKEN)


async def _read_on(reader: asyncio.StreamReader, talk: h11.Connection) -> None:
    """Read the beginning of the answer's body: a receiver may take a reset for a failure."""
    left = MOST_ANSWER
    with suppress(OSError, h11.RemoteProtocolError):
        while left > 0:
            event = talk.next_event()
            if isinstance(event, h11.Data):
                left -= len(event.data)
            elif event is h11.NEED_DATA:
                talk.receive_data(await reader.read(left))
            else:
                return


@cache
def _agent() -> str:
    try:
        return f"tagsweep/{metadata.version('tagsweep')}"
    except metadata.PackageNotFoundError:
        return "tagsweep"
