"""Enqueue jobs from any Python program: only the broker is needed, no database driver.

from producer import TagSweep

job = TagSweep().detach(tenant="acme", names=["legacy"], tables=ids)
print(job.result(timeout=600)["counts"])
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from producer.client import TagSweep
    from producer.handle import JobHandle

__all__ = ["JobHandle", "TagSweep"]


def __getattr__(name: str) -> object:
    # the command line is in this package too, and shows its help without loading Celery
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from producer import client

    return getattr(client, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
