"""A process that ends with the one that started it, however that ended: also by `kill -9`."""

from __future__ import annotations

import os
import signal
import threading
import time

#: how often it is looked whether the parent is there
LOOK_S = 0.5


def begin(parent: int) -> None:
    """End this process, by SIGKILL, soon after ``parent``, its parent's process id, is gone.

    What it has in hand is rolled back by its servers, as if it had died with its parent.
    """
    threading.Thread(target=_watch, args=[parent], name="parent-watch", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_S)
    os.kill(os.getpid(), signal.SIGKILL)
