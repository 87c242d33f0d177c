"""Ends what a test session leaves behind, however that session ended.

Run as a script by tests.servers, in a session of its own so that Ctrl-C does not reach it. It reads
orders from its standard input, one a line: ``watch GROUP``, ``forget GROUP`` (process group ids)
and ``remove FOLDER``. The end of the input means that the tests are over or were killed: the kernel
closes the pipe in either case. Then it kills every group still watched and removes every folder.
"""

import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterable


def obey(orders: Iterable[str]) -> tuple[set[int], set[str]]:
    """Return the groups still to kill and the folders to remove once the orders have ended."""
    groups: set[int] = set()
    folders: set[str] = set()
    for order in orders:
        verb, _, what = order.rstrip("\n").partition(" ")
        if verb == "watch":
            groups.add(int(what))
        elif verb == "forget":
            groups.discard(int(what))
        elif verb == "remove":
            folders.add(what)
    return groups, folders


def reap(groups: set[int], folders: set[str]) -> None:
    """Kill the groups and remove the folders; what is gone already is no error."""
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
    if groups:
        # The children of a killed server notice its death and end by themselves.
        time.sleep(1)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    reap(*obey(sys.stdin))
