"""What is wrong with what was typed, by option, item, file and line."""

from __future__ import annotations

from tagsweep.worker.errors import NameTaken

#: what is wrong with a name that another tag has, and with the new name of a tag
TAKEN = str(NameTaken())
TAKEN_BY_ANOTHER = f"{TAKEN} To join the two: tagsweep merge."
#: characters that are shown of a wrong value
MAX_SHOWN = 60
#: errors that are shown of one list or file: nobody reads a million of them
MAX_FAULTS = 20


class WrongUse(Exception):
    """The command is wrong as it was typed; nothing was changed."""

    def __init__(self, *faults: str) -> None:
        self.faults = faults
        super().__init__(" ".join(faults))


def shown(value: object) -> str:
    """Return ``value`` in quotes, shortened if it is long."""
    text = str(value)
    return repr(text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "...")


def place(path: str) -> str:
    """Return a JSON Pointer in words: ``/sources/2`` is ``sources, item 3``."""
    steps = [step.replace("~1", "/").replace("~0", "~") for step in path.split("/")[1:]]
    return ", ".join(f"item {int(step) + 1}" if step.isdecimal() else step for step in steps)
