"""Keep PostgreSQL from pruning pages after every chunk while chunks follow each other.

The rows of a chunk are spread over the table, so chunk after chunk visits the same pages, and each
visit would first prune the rows that the one before left dead. Nothing is pruned while anybody
might still see it. So a worker keeps a snapshot open, for a few seconds at a time; it holds up
vacuum no longer than any other query of a few seconds (docs/decisions/0011). Behind a pooler none
is kept: it would take one of few sessions.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from contextlib import ExitStack, suppress

from sqlalchemy import Connection, text

from tagsweep.worker import database
from tagsweep.worker.errors import TagsweepError

log = logging.getLogger(__name__)

#: how long a snapshot is kept, and when the server ends that of a worker that hangs
KEEP_S, MOST_S = 3.0, 10

_lock = threading.Lock()
_open = ExitStack()
_inherited: list[ExitStack] = []  #: kept, because to drop one would talk through a parent's socket
_since = 0.0


def keep(connection: Connection) -> None:
    """Keep a snapshot open, not much older than KEEP_S; ``connection``: the chunk's."""
    global _since  # noqa: PLW0603  # one for the process
    if database.has_single_session(connection):
        return
    with _lock:
        if time.monotonic() - _since < KEEP_S:
            return
        _let_go()
        try:
            snapshot = _open.enter_context(database.snapshot())
            limit = text("SELECT set_config('idle_in_transaction_session_timeout', :limit, true)")
            snapshot.execute(limit, {"limit": f"{MOST_S}s"})
        except TagsweepError as error:  # without one it is a little slower
            log.warning("No snapshot is kept open: %s", error)
            _let_go()
        _since = time.monotonic()
    ending = threading.Timer(KEEP_S, _end, args=[_since])
    ending.daemon = True
    ending.start()


def _end(since: float) -> None:
    with _lock:
        if since == _since:  # otherwise another one is kept by now
            _let_go()


def end() -> None:
    """Let go of the snapshot that is kept, if any: its session is closed with the others then."""
    global _since  # noqa: PLW0603  # one for the process
    with _lock:
        _since = 0.0
        _let_go()


def _let_go() -> None:
    with suppress(TagsweepError):  # the server may have ended it
        _open.close()


def _forget() -> None:
    """Start empty in a forked child: the open snapshot is its parent's."""
    global _lock, _open, _since
    _inherited.append(_open)
    _lock, _open, _since = threading.Lock(), ExitStack(), 0.0


os.register_at_fork(after_in_child=_forget)
atexit.register(end)
