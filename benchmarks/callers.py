"""The process that calls the gateway over many connections at once.

python -m benchmarks.callers PORT KEYS WORK: each line of stdin is an order in JSON, answered by one
line. The keys, separated by commas, take turns. The client is as small as HTTP/1.1 allows: it
shares the machine with what is measured.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

from benchmarks import work as works
from benchmarks.ground import LIST
from benchmarks.trickle import FEW
from benchmarks.work import Work

PATH = "/api/v1/tags/detach/"
OK = b"HTTP/1.1 200 "


class Callers:
    """Connections that each send a small job, wait for its answer, and send the next."""

    def __init__(self, work: Work, port: int, keys: list[str]) -> None:
        self._work = work
        self._port = port
        self._keys = keys
        self._at = 0

    def post(self, connections: int, times: int) -> dict[str, Any]:
        """Have so many jobs done; return the seconds, and the milliseconds of each request."""
        return asyncio.run(self._post(connections, times))

    async def _post(self, connections: int, times: int) -> dict[str, Any]:
        requests = iter([self._request() for _ in range(times)])
        taken: list[float] = []
        start = time.perf_counter()
        await asyncio.gather(*(self._one(requests, taken) for _ in range(connections)))
        return {"seconds": time.perf_counter() - start, "ms": taken}

    async def _one(self, requests: Any, taken: list[float]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        for request in requests:
            start = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            body = await reader.readexactly(int(length))
            if not head.startswith(OK):
                raise RuntimeError(f"The gateway answered {(head + body)[:500]!r}")
            taken.append((time.perf_counter() - start) * 1000)
        writer.close()
        await writer.wait_closed()

    def _request(self) -> bytes:
        ids = self._work.ids[self._at : self._at + FEW]
        key = self._keys[self._at // FEW % len(self._keys)]
        self._at += FEW
        body = json.dumps({"names": self._work.names, LIST: ids}).encode()
        lines = (
            f"POST {PATH} HTTP/1.1",
            "host: 127.0.0.1",
            f"x-api-key: {key}",
            "content-type: application/json",
            f"content-length: {len(body)}",
        )
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def main(port: str, keys: str, path: str) -> None:
    """Obey one line after the other."""
    work = works.load(path)
    _ = work.ids  # read before anything is timed
    callers = Callers(work, int(port), keys.split(","))
    for line in sys.stdin:
        order = json.loads(line)
        answer = getattr(callers, order.pop("do"))(**order)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
