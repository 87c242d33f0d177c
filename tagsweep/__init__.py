"""tagsweep: removes tags from very many resources in the background and reports when it is done.

    from tagsweep import TagSweep

    job = TagSweep().detach(tenant="acme", names=["legacy"], tables=ids)
    print(job.result(timeout=600)["counts"])

This needs only the broker, no database driver. ``tagsweep.transactional.record`` records a job
inside your own transaction; ``celery -A tagsweep worker`` starts a worker.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tagsweep.producer.client import TagSweep
    from tagsweep.producer.handle import JobHandle

__all__ = ["JobHandle", "TagSweep"]

if not (Path(__file__).parent / "worker").is_dir():
    # Not an ImportError: Celery and the command would show it below a traceback.
    sys.exit(
        "tagsweep/worker is not a folder: this checkout has no symbolic links. Enable them "
        "(git config core.symlinks true, then git checkout -- tagsweep), or install the wheel."
    )


def __getattr__(name: str) -> object:
    # the command line imports this package too, and shows its help without loading Celery
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from tagsweep.producer import client

    return getattr(client, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
