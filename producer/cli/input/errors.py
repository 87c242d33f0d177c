"""What is wrong with a request, in the words of who typed it: option, item, file, line."""

from __future__ import annotations

#: characters of a faulty value that are shown
WIDE = 60
#: faults of one list or file that are told; nobody reads a million of them
MOST = 20


class WrongUse(Exception):
    """The command cannot be done as it was typed; nothing was changed."""

    def __init__(self, *faults: str) -> None:
        self.faults = faults
        super().__init__(" ".join(faults))


def shown(value: object) -> str:
    """Return ``value`` in quotes, shortened where it is long."""
    text = str(value)
    return repr(text if len(text) <= WIDE else text[:WIDE] + "...")


def place(path: str) -> str:
    """Return a JSON Pointer as people say it: ``/sources/2`` is ``sources, item 3``."""
    steps = [step.replace("~1", "/").replace("~0", "~") for step in path.split("/")[1:]]
    return ", ".join(f"item {int(step) + 1}" if step.isdecimal() else step for step in steps)
