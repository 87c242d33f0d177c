"""Who types: the name under which the caller is logged in."""

from __future__ import annotations

import getpass

from tagsweep.worker.models.requester import Requester


def name() -> str | None:
    """Return the name under which the caller is logged in; None if the system has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # as in a container that runs under a bare number
        return None


def requester() -> Requester:
    """Return the caller as whoever asks for something on the command line."""
    return Requester(name=name(), door="cli")
