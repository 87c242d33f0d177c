"""Ends this process when its parent ends, even by `kill -9`."""

from __future__ import annotations

import os
import signal
import threading
import time

#: seconds between checks of the parent
LOOK_S = 0.5


def begin(parent: int) -> None:
    """From now on, kill this process soon after the process ``parent``, its parent, is gone.

    Its servers roll back what it was doing, as if it had died with its parent.
    """
    threading.Thread(target=_watch, args=[parent], name="parent-watch", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_S)
    os.kill(os.getpid(), signal.SIGKILL)
