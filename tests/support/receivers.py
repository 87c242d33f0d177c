"""Receivers of webhooks that we did not write: they verify by the specification's own library."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from tests.servers.certificates import Certificates

#: what a receiver does with the connection instead of answering
Trick = Callable[[socket.socket], None]


class Receiver:
    """An HTTP server; what is sent to a path is verified with the path's secrets."""

    def __init__(self, certificates: Certificates | None = None, port: int = 0) -> None:
        self.secrets: dict[str, list[str]] = {}
        self.answers: dict[str, int | Trick] = {}  #: by path; 204 unless told
        self.arrived: list[tuple[str, str, float]] = []  #: path, id, time; only what is verified
        self.forged: list[str] = []
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.names: list[str | None] = []  #: that senders named when they connected by TLS
        self._server = _Server(self, certificates, port)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def url(self, path: str) -> str:
        """Return the URL of a path."""
        scheme = "https" if self._server.encrypted else "http"
        return f"{scheme}://127.0.0.1:{self.port}{path}"

    def ids(self, path: str) -> list[str]:
        """Return the ids of the events that have arrived at a path, each as often as it has."""
        return [event_id for at, event_id, _ in self.arrived if at == path]

    def take(self, path: str, headers: dict[str, str], body: bytes) -> int | Trick:
        """Note a request, and return what to do."""
        self.requests.append((path, headers))
        answer = self.answers.get(path, 204)
        if answer in range(200, 300):
            event_id = headers["webhook-id"]
            for secret in self.secrets[path]:
                try:
                    Webhook(secret).verify(body, headers)
                except WebhookVerificationError as error:
                    self.forged.append(f"{path} {event_id}: {error}")
            assert json.loads(body)["id"] == event_id
            self.arrived.append((path, event_id, time.monotonic()))
        return answer

    def close(self) -> None:
        """Stop: whoever connects from now on is refused."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def __init__(self, receiver: Receiver, certificates: Certificates | None, port: int) -> None:
        self.receiver = receiver
        self.encrypted = certificates is not None
        super().__init__(("127.0.0.1", port), _Handler)
        if certificates is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificates.certificate, certificates.key)
            context.sni_callback = lambda _, name, __: receiver.names.append(name)
            self.socket = context.wrap_socket(self.socket, server_side=True)

    def handle_error(self, *_: Any) -> None:
        """Say nothing of clients that are gone."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.server.receiver.take(self.path, headers, body)
        if not isinstance(answer, int):
            answer(self.connection)
            self.close_connection = True
            return
        self.send_response(answer)
        if answer in range(300, 400):
            self.send_header("Location", self.server.receiver.url("/elsewhere"))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def rubbish(line: socket.socket) -> None:
    """Answer with what is no HTTP."""
    line.sendall(b"\x00\xffrubbish\r\n\r\n" * 100)


def endless(line: socket.socket) -> None:
    """Answer well, with a body that does not end, until the sender has gone."""
    try:
        line.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
        while True:
            line.sendall(b"x" * 1024)
            time.sleep(0.001)
    except OSError:
        pass


def trickling(line: socket.socket) -> None:
    """Send the head of an answer byte by byte, and never all of it."""
    try:
        for byte in b"HTTP/1.1 200 OK\r\nX: " + b"y" * 1000:
            line.sendall(bytes([byte]))
            time.sleep(0.05)
    except OSError:
        pass


@contextmanager
def receiving(certificates: Certificates | None = None) -> Iterator[Receiver]:
    """Run a receiver during the block."""
    receiver = Receiver(certificates)
    try:
        yield receiver
    finally:
        receiver.close()
