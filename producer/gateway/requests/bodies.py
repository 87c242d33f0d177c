"""Bodies of requests: bounded, kept on disk if long, and then parsed in another process."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import signal
import tempfile
from collections.abc import AsyncIterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import IO

from starlette.requests import Request

from tagsweep.producer.gateway import errors
from tagsweep.producer.gateway.errors import Refusal
from tagsweep.producer.gateway.requests import parsing
from tagsweep.producer.gateway.requests.limits import Places
from tagsweep.producer.gateway.requests.parsing import Faulty, Form
from tagsweep.worker.errors import InvalidJob
from tagsweep.worker.models.jobs import Job
from tagsweep.worker.process import parent_watch

#: bytes up to which a body is parsed at once, in a millisecond or two
SMALL = 16 << 10
#: bytes from which on a body is written to disk as it arrives
MEMORY = 1 << 20
#: how long a client may pause within a body, and take for the whole of it
IDLE_S, WHOLE_S = 15.0, 300.0
#: long bodies that are read or parsed at a time
MAX_LONG = 16
PARSERS = 2
JSON = "application/json"


class Gone(Exception):
    """The client left before its request was complete: there is nobody to answer."""


class Body:
    """The body of a request, as far as it has arrived."""

    def __init__(self) -> None:
        self._memory = bytearray()
        self._file: IO[bytes] | None = None
        self.size = 0

    def add(self, some: bytes) -> None:
        """Append ``some``."""
        self.size += len(some)
        if self._file is None and self.size > MEMORY:
            self._file = tempfile.NamedTemporaryFile(prefix="tagsweep-body-")  # noqa: SIM115  # see close
            self._file.write(self._memory)
            self._memory.clear()
        if self._file is not None:
            self._file.write(some)
        else:
            self._memory += some

    def content(self) -> bytes | Path:
        """Return the whole of it, or the file that holds it."""
        if self._file is None:
            return bytes(self._memory)
        self._file.flush()
        return Path(self._file.name)

    def in_memory(self) -> bytes:
        """Return the whole of it as bytes."""
        content = self.content()
        return content if isinstance(content, bytes) else content.read_bytes()

    def close(self) -> None:
        """Discard it."""
        self._memory.clear()
        if self._file is not None:
            self._file.close()


class Bodies:
    """Reads and parses bodies; long ones in processes of their own."""

    def __init__(self) -> None:
        self._long = Places(MAX_LONG, "Too many long requests at once.")
        self._pool: ProcessPoolExecutor | None = None

    @asynccontextmanager
    async def receive(
        self, request: Request, limit: int, *, media_type: str = JSON
    ) -> AsyncIterator[Body]:
        """Read the request's body; raises Refusal (400, 413, 415, 503), Gone."""
        _check_headers(request, limit, media_type)
        body = Body()
        try:
            await _fill(body, request, limit)
            yield body
        finally:
            body.close()

    async def job_of(self, value: object, form: Form) -> Job:
        """Return the valid job of a JSON value; raises Refusal as ``job`` does."""
        body = Body()
        try:
            body.add(json.dumps(value).encode())
            return await self.job(body, form)
        finally:
            body.close()

    async def job(self, body: Body, form: Form) -> Job:
        """Return the valid job in ``body``; raises Refusal (400, 403, 503)."""
        content = body.content()
        if body.size <= SMALL:
            outcome = parsing.parse(content, form)
        else:
            with self._long.one():
                outcome = await self._elsewhere(content, form)
        if isinstance(outcome, Faulty):
            raise _refusal(outcome)
        return outcome

    async def _elsewhere(self, content: bytes | Path, form: Form) -> Job | Faulty:
        if self._pool is None:
            # not forked: this process has threads and open connections
            context = multiprocessing.get_context("spawn")
            begin = partial(_begin, os.getpid())
            self._pool = ProcessPoolExecutor(PARSERS, context, initializer=begin)
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._pool, parsing.parse, content, form)
        except BrokenProcessPool:
            self._pool = (
                None  # one was killed, perhaps out of memory: the next request starts new ones
            )
            raise errors.unavailable("The body could not be read.") from None

    def close(self) -> None:
        """End the processes."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)


def _begin(gateway: int) -> None:
    """End with the gateway, and until then let it run first."""
    parent_watch.begin(gateway)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is meant for the gateway
    os.nice(5)


def too_large(limit: int) -> Refusal:
    """Return the refusal of a body of more than ``limit`` bytes."""
    return Refusal(413, f"The body of a request may have at most {limit} bytes.")


async def _fill(body: Body, request: Request, limit: int) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + WHOLE_S
    try:
        async with asyncio.timeout(IDLE_S) as pause:
            while await _add_next(body, request, limit):
                pause.reschedule(min(end, loop.time() + IDLE_S))
    except TimeoutError:
        detail = "The body of the request did not arrive in time."
        raise Refusal(400, detail, headers={"Connection": "close"}) from None


async def _add_next(body: Body, request: Request, limit: int) -> bool:
    """Add what arrives next to ``body``; return whether more is to come."""
    message = await request.receive()
    if message["type"] == "http.disconnect":
        raise Gone
    body.add(message.get("body", b""))
    if body.size > limit:
        raise too_large(limit)
    return bool(message.get("more_body", False))


def _check_headers(request: Request, limit: int, wanted: str) -> None:
    length = request.headers.get("content-length", "0")
    if length.isdecimal() and int(length[:20]) > limit:
        raise too_large(limit)
    if length == "0" and "transfer-encoding" not in request.headers:
        return  # there is no body
    media_types = request.headers.getlist("content-type")
    media_type, _, parameters = ", ".join(media_types).partition(";")
    charset = parameters.strip().lower().replace('"', "").replace(" ", "")
    if media_type.strip().lower() != wanted or charset not in _CHARSETS:
        shown = ", ".join(media_types)[:100].encode("ascii", "replace").decode()
        raise Refusal(415, f'Unsupported media type "{shown}" in request.')
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise Refusal(415, "Unsupported Content-Encoding: send the body as it is.")


_CHARSETS = ("", "charset=utf-8", "charset=utf8")


def _refusal(faulty: Faulty) -> Refusal:
    if faulty.forbidden is not None:
        return Refusal(403, faulty.forbidden)
    if faulty.unreadable is not None:
        return Refusal(400, f"JSON parse error - {faulty.unreadable}")
    return errors.invalid(InvalidJob(faulty.errors))
