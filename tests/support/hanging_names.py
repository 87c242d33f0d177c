"""``tagsweep`` whose resolver hangs on one name until a file is there; both are its arguments.

It writes a byte to a second file, the third argument, for each time that the name is looked up.
"""

from __future__ import annotations

import socket
import sys
import time
from pathlib import Path
from typing import Any

from tagsweep.worker.webhooks import addresses


def _hang(name: str, released: Path, asked: Path) -> None:
    """Let the look-up of ``name`` take until ``released`` is there, and fail then."""
    look_up = socket.getaddrinfo

    def hanging(host: Any, *args: Any, **options: Any) -> Any:
        if host != name or options.get("flags", 0) & socket.AI_NUMERICHOST:
            return look_up(host, *args, **options)
        with asked.open("ab") as file:
            file.write(b".")
        while not released.exists():
            time.sleep(0.05)
        raise socket.gaierror(socket.EAI_AGAIN, "The resolver hung")

    socket.getaddrinfo = hanging


if __name__ == "__main__":
    _hang(sys.argv.pop(1), Path(sys.argv.pop(1)), Path(sys.argv.pop(1)))
    addresses.LOOKUP_S = 60  # before whoever imports it
    from tagsweep.producer.cli import main

    main()
