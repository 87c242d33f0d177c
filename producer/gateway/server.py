"""The HTTP server: uvicorn, with a drain time and our own answer to what is not HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import h11
import structlog
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from tagsweep.producer.gateway import application, errors
from tagsweep.producer.gateway.errors import Refusal
from tagsweep.producer.gateway.gathered_writes import Gathered
from tagsweep.producer.gateway.state import Gateway
from tagsweep.worker import settings
from tagsweep.worker.errors import TagsweepError

#: bytes in the head of a request: a token may have 65,534 characters
MAX_HEAD = 128 << 10
#: bytes of a refused body that are read and discarded, so that its sender can read the answer
MAX_IGNORED = 256 << 20
#: connections and files that the process may have open, if the system lets it
MAX_OPEN = 16_384
#: seconds until a waiting thread gets the interpreter from one that runs on: the default, 5 ms,
#: is long for a request, which passes through three threads
SWITCH_S = 0.0005


class Protocol(H11Protocol):
    """HTTP/1.1 as uvicorn speaks it, with our own answer to what cannot be parsed."""

    _ignored = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Serve a new connection."""
        gathered: Any = Gathered(transport, self.loop)
        super().connection_made(gathered)

    def data_received(self, data: bytes) -> None:
        """Take bytes; after too many of a refused body, close the connection."""
        cycle: RequestResponseCycle | None = self.cycle  # none before the first request
        if cycle is not None and self.conn.their_state is h11.SEND_BODY:
            self._ignored = self._ignored + len(data) if cycle.response_complete else 0
            if self._ignored > MAX_IGNORED:
                self.transport.close()
                return
        super().data_received(data)

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP."""
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.close()  # in the middle of an answer nothing can be said any more
            return
        response = errors.problem(Refusal(400, msg))
        headers = [*response.raw_headers, (b"connection", b"close")]
        for event in (
            h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
            h11.Data(data=bytes(response.body)),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


class Server(uvicorn.Server):
    """uvicorn, which tells the gateway first that it has to stop.

    After SIGTERM it serves for another ``drain_s`` seconds and reports that it is not ready, so
    that no request is routed to it when it closes its socket. A second signal ends it at once.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        gateway: Gateway,
        ready: Callable[[], None],
        drain_s: float,
    ) -> None:
        super().__init__(config)
        self._gateway = gateway
        self._ready = ready
        self._drain_s = drain_s
        self._closes_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Handle a signal to stop."""
        if self.should_exit:
            signal.signal(sig, signal.SIG_DFL)
            signal.raise_signal(sig)
        if sig == signal.SIGTERM:
            self._gateway.draining = True
            self._closes_at = time.monotonic() + self._drain_s
        super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Return whether it is time to close; until then requests are served."""
        ends = await super().on_tick(counter)
        return ends and (self._closes_at is None or time.monotonic() >= self._closes_at)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to serve, then report it."""
        await super().startup(sockets)
        if self.started:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish the requests that have begun."""
        self._gateway.stop()
        await super().shutdown(sockets)


def listen(host: str, port: int) -> socket.socket:
    """Return a bound socket; raises TagsweepError if the address cannot be bound."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sets TCP_NODELAY only if the protocol is named: without it the body of an answer waits
    # up to 40 ms until the client acknowledges the head
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except (OSError, OverflowError) as error:
        bound.close()
        raise TagsweepError(f"Cannot listen on {host} port {port}: {error}.") from None
    return bound


def run(bound: socket.socket, ready: Callable[[], None], *, drain_s: float = 0) -> None:
    """Serve until SIGINT or SIGTERM; return when the requests that have begun are finished.

    ``drain_s``: how long it still serves after SIGTERM, reporting that it is not ready.
    """
    sys.setswitchinterval(SWITCH_S)
    _allow_connections()
    _write_logs()
    gateway = Gateway(settings.load())
    config = uvicorn.Config(
        application.create(gateway),
        http=Protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=2048,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=settings.load().shutdown_s,
        h11_max_incomplete_event_size=MAX_HEAD,
    )
    # uvicorn raises the signal again once it has shut down
    with contextlib.suppress(KeyboardInterrupt):
        Server(config, gateway, ready, drain_s).run(sockets=[bound])


def _allow_connections() -> None:
    """Allow as many open connections as the process may ask for: often only 1,024 by default."""
    least, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_OPEN if most == resource.RLIM_INFINITY else min(MAX_OPEN, most)
    if least != resource.RLIM_INFINITY and least < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def _write_logs() -> None:
    """Log one JSON object a line to stderr, for our own messages and those of libraries."""
    steps: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*steps, structlog.processors.JSONRenderer()],
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*steps[:2], structlog.stdlib.add_logger_name],
            processor=structlog.processors.JSONRenderer(),
        )
    )
    logging.getLogger("kombu").setLevel(logging.ERROR)  # it warns that memory:// has no host
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
