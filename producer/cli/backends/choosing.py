"""The two ways to jobs: straight to store and broker, or through a gateway. Commands use either."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from tagsweep.worker import settings
from tagsweep.worker.models.jobs import Job

#: a job as every door shows it (``models.views``)
Shown = dict[str, Any]


class Way(Protocol):
    """What commands ask for. Every step raises TagsweepError where a server does not answer."""

    silence: str  #: what is told, once, where nothing happens to a job with this ``{id}``

    def record(self, job: Job) -> UUID:
        """Record the job: from then on it is never lost."""

    def left(self) -> str | None:
        """Return what has to be known by who does not wait for a job."""

    def interrupted(self, job_id: UUID) -> str:
        """Return what becomes of a job whose end nobody waits for any more."""

    def working(self, job_id: UUID) -> AbstractContextManager[None]:
        """See to it that somebody works on the job during the block."""

    def find(self, job_id: UUID) -> Shown:
        """Return the job as it is now; raises NoSuchJob."""

    def pauses(self) -> Iterator[float]:
        """Yield the seconds between two looks at a job, without an end."""

    def completion(self, job: Shown) -> dict[str, Any]:
        """Return the completion data of a job that has ended."""

    def latest(
        self, tenant: str | None, status: str | None, most: int, *, whole: bool
    ) -> list[Shown]:
        """Return the newest jobs first; their tags only where they are wanted ``whole``."""

    def cancel(self, job_id: UUID) -> Shown:
        """Let no further chunk begin and return the job as it is then; raises NoSuchJob."""

    def retry(self, job_id: UUID) -> Shown:
        """Let an ended job do the rest; raises NoSuchJob, NothingToRetry."""

    def pause(self, job_id: UUID) -> Shown:
        """Let no further chunk begin till the job is resumed; raises NoSuchJob, NotRunning."""

    def resume(self, job_id: UUID) -> Shown:
        """Let a paused job go on; raises NoSuchJob, NotRunning."""

    def receipt(self, job_id: UUID, outcomes: Sequence[str], form: str) -> Iterator[str]:
        """Yield the receipt of the job in pieces, in the ``form`` of this media type.

        Raises NoSuchJob, and Forgotten where it is kept no longer.
        """

    def events(self, since: datetime | None, *, follow: bool) -> Iterator[str | None]:
        """Yield the completion events as JSON, in the feed's order.

        ``follow``: without an end, and None whenever there is nothing new just now.
        """


def chosen() -> Way:
    """Return the way that the settings name: with a key set, through the gateway."""
    config = settings.load()
    # each is loaded only where it is taken: who goes through a gateway needs no database driver
    if config.api_key is None:
        from tagsweep.producer.cli.backends.store import Direct

        return Direct()
    from tagsweep.producer.cli.backends.gateway import Remote
    from tagsweep.producer.cli.backends.http import Door

    return Remote(Door(config.url, config.api_key.get_secret_value()))
