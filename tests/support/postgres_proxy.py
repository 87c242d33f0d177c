"""A way to PostgreSQL that is lost in the middle of a commit."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

_COMMIT = b"COMMIT\0"
_SIZE = 1 << 20


class LosingProxy:
    """Passes on what is said to PostgreSQL until a certain commit, whose answer is lost.

    From then on it takes no connection, until it is repaired.
    """

    def __init__(
        self, database_url: str, marks: Collection[str], *, commits: bool, returns: bool = False
    ) -> None:
        """Lose the first commit that comes with all these words.

        ``commits``: whether the server still gets it; ``returns``: whether it is repaired at once.
        """
        server = urlsplit(database_url)
        self._server = (server.hostname, server.port)
        self._marks = [mark.encode() for mark in marks]
        self._commits = commits
        self._returns = returns
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._is_away = False
        self.has_lost = threading.Event()  #: the commit has come, and all connections are cut
        user = server.netloc.rpartition("@")[0]
        port = self._listener.getsockname()[1]
        self.url = urlunsplit(server._replace(netloc=f"{user}@127.0.0.1:{port}"))

    def __enter__(self) -> Self:
        self._begin(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # closing it wakes nobody
        self._cut()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def repair(self) -> None:
        """Take connections again."""
        self._is_away = False

    def _begin(self, step: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=step, args=args)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):  # until it is shut down
            while True:
                client, _ = self._listener.accept()
                if self._is_away:
                    client.close()
                    continue
                server = socket.create_connection(self._server)
                self._open |= {client, server}
                said = bytearray()  # since the last answer
                self._begin(self._ask, client, server, said)
                self._begin(self._answer, client, server, said)

    def _ask(self, client: socket.socket, server: socket.socket, said: bytearray) -> None:
        """Pass on what a client says."""
        with suppress(OSError):
            while data := client.recv(_SIZE):
                said += data
                if not self.has_lost.is_set() and self._is_the_one(said):
                    self._lose(server, data)
                    break
                server.sendall(data)
        _end(client, server)
        client.close()

    def _answer(self, client: socket.socket, server: socket.socket, said: bytearray) -> None:
        """Pass on what the server says."""
        with suppress(OSError):
            while data := server.recv(_SIZE):
                if self._is_away:
                    break
                said.clear()
                client.sendall(data)
        _end(client, server)
        server.close()

    def _is_the_one(self, said: bytearray) -> bool:
        return _COMMIT in said and all(mark in said for mark in self._marks)

    def _lose(self, server: socket.socket, data: bytes) -> None:
        self._is_away = True
        if self._commits:
            server.sendall(data)
            # what was sent before a connection ends is still done
        self._cut(but=server if self._commits else None)
        self._is_away = not self._returns
        self.has_lost.set()

    def _cut(self, but: socket.socket | None = None) -> None:
        for one in self._open - {but}:
            _end(one)


def _end(*connections: socket.socket) -> None:
    for one in connections:
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
