"""The sockets that the gateway serves on."""

from __future__ import annotations

import asyncio
import socket

import pytest

from tagsweep.producer.gateway import server


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_an_answer_is_sent_at_once_not_with_the_next_acknowledgement(host: str) -> None:
    async def accepted() -> int:
        seen: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connection = writer.get_extra_info("socket")
            seen.set_result(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        async with await asyncio.start_server(serve, sock=server.listen(host, 0)) as serving:
            port = serving.sockets[0].getsockname()[1]
            _, writer = await asyncio.open_connection(host, port)
            no_delay = await seen
            writer.close()
            await writer.wait_closed()
            return no_delay

    assert asyncio.run(accepted())
