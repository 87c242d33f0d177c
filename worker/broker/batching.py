"""Which messages may be done together with others, in one call of a pool process.

What is done there is told by ``worker.tasks``, with ``batch_with``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from tagsweep.worker.broker.delivery import Delivery

#: messages that a worker has in hand at most, beyond one for each of its pool processes
MAX_MESSAGES = 64
#: bytes of the messages that are taken at once: about 50 ms of work
MAX_BYTES = 128 * 1024


@dataclass(frozen=True, slots=True)
class Steps:
    """What is to be known about jobs, to do many at once."""

    #: the tasks of such jobs
    tasks: Collection[str]
    #: told the body of a message, returns whether its job seems small and plain
    wants: Callable[[object], bool]
    #: does the jobs of these messages; returns the ids of those that are done, and committed
    do: Callable[[Sequence[Delivery]], Collection[str]]


_steps: list[Steps] = []


def batch_with(steps: Steps) -> None:
    """From now on, do messages together in this way."""
    _steps[:] = [steps]


def steps() -> Steps | None:
    """Return how messages are done together; None if they are not."""
    return _steps[0] if _steps else None


def most_at_once(processes: int) -> int:
    """Return how many messages one of a worker's so many processes may be given at once."""
    return 1 + MAX_MESSAGES // max(1, processes)


def fits(message: Any) -> bool:
    """Tell whether a message may be done together with others.

    Not if it came before, or is to be done later; nor if anything hangs on the end of its task.
    """
    known = steps()
    if known is None or message.headers.get("task") not in known.tasks:
        return False
    if message.delivery_info.get("redelivered") or _is_special(message.headers):
        return False
    if len(message.body) > MAX_BYTES:
        return False
    try:
        args, kwargs, embedded = message.payload
        alone = bool(kwargs) or len(args) != 1 or any((embedded or {}).values())
    except Exception:  # noqa: BLE001  # whatever is wrong with it is said when it is done alone
        return False
    return not alone and known.wants(args[0])


def _is_special(headers: dict[str, Any]) -> bool:
    return any(headers.get(name) for name in ("eta", "expires", "retries", "stamped_headers"))
