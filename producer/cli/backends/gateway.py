"""Through a gateway: jobs are made, read and steered over HTTP; no store, no broker is touched."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import UUID, uuid4

from tagsweep.producer.cli.backends import http_errors, sse
from tagsweep.producer.cli.backends.choosing import Shown
from tagsweep.producer.cli.backends.http import Door, GatewayUnavailable, Refused
from tagsweep.producer.cli.backends.request_body import Payload
from tagsweep.producer.cli.input.errors import WrongUse
from tagsweep.producer.cli.output import terminal
from tagsweep.worker.errors import (
    Forgotten,
    NoSuchJob,
    NothingToRetry,
    NotRunning,
    TagsweepError,
)
from tagsweep.worker.models.events import MOST_ERRORS, MOST_TAGS
from tagsweep.worker.models.jobs import Job
from tagsweep.worker.models.records import ENDS

JOBS = "/api/v1/jobs/"
#: no job has it: asking for it shows whether the gateway takes the key, and has its store
NOBODY = UUID(int=0)
NOT_FOUND, CONFLICT, GONE = 404, 409, 410
#: what a job and its event tell only where it applies
OPTIONAL = ("undoes", "dry_run", "remaining")
MOST_OF_A_PAGE = 1_000
#: how long a gateway may take to record a job of many ids
RECORD_S = 120.0
#: how long a gateway may take to read a piece of a receipt
READ_S = 60.0
#: pauses between two looks at a job: the longer it takes, the fewer
FIRST_S, LONGEST_S = 0.1, 1.0
#: how long a feed is quiet before it is at its end; while the event of a known end is missing
QUIET_S, MISSING_S = 0.5, 5.0
#: newest jobs whose events a feed must have shown before it is at its end
MOST_KNOWN = 200

LOST = "{error} It was lost while it took the job: `tagsweep jobs list` tells whether it has it."


class Remote:
    """The way through the gateway behind ``door``."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self.silence = f"no worker seems to run behind the gateway at {door.url}."

    def record(self, job: Job) -> UUID:
        """Send the job in pieces; sent twice where the line breaks, it is one job all the same."""
        with self._worded(job):
            try:
                self._door.get(f"{JOBS}{NOBODY}")  # before millions of ids are sent in vain
            except Refused as refused:
                if refused.status != NOT_FOUND or refused.told is None:
                    raise
            key = {"Idempotency-Key": uuid4().hex}
            return UUID(self._sent(Payload(job), key)["id"])

    def _sent(self, body: Payload, key: dict[str, str]) -> Shown:
        try:
            try:
                shown: Shown = self._door.post(JOBS, body, key, RECORD_S)
            except GatewayUnavailable:
                shown = self._door.post(JOBS, body, key, RECORD_S)
        except GatewayUnavailable as error:
            raise TagsweepError(LOST.format(error=error)) from error
        except KeyboardInterrupt:
            terminal.say("Stopped: `tagsweep jobs list` shows whether the job is recorded.")
            raise
        return shown

    def left(self) -> str | None:
        """Tell nothing: behind a gateway there are workers."""
        return None

    def interrupted(self, job_id: UUID) -> str:
        """Tell how to look at the job again."""
        return f"it goes on; tagsweep jobs watch {job_id} shows it"

    def working(self, job_id: UUID) -> nullcontext[None]:  # noqa: ARG002  # it is done elsewhere
        """Do nothing here."""
        return nullcontext()

    def find(self, job_id: UUID) -> Shown:
        """Return the job as the gateway shows it."""
        with self._worded(), _about(job_id):
            shown: Shown = self._door.get(f"{JOBS}{job_id}")
            return shown

    def pauses(self) -> Iterator[float]:
        """Yield longer and longer pauses."""
        pause = FIRST_S
        while True:
            yield pause
            pause = min(LONGEST_S, pause * 1.3)

    def completion(self, job: Shown) -> dict[str, Any]:
        """Return what the job tells of its end; its event, where that may tell of more."""
        if len(job["tags"]) >= MOST_TAGS or len(job["errors"]) >= MOST_ERRORS:
            with self._worded():
                for text in self._events({_end(job)}):
                    data: dict[str, Any] = json.loads(text)["data"]
                    if _end(data) == _end(job):
                        return data
        names = ("kind", "tenant", "status", "tags", "counts")
        moments = ("accepted_at", "started_at", "finished_at")
        given = [*names, *moments, "errors", *(name for name in OPTIONAL if name in job)]
        return {"job_id": job["id"]} | {name: job[name] for name in given}

    def latest(
        self,
        tenant: str | None,
        status: str | None,
        most: int,
        *,
        whole: bool,  # noqa: ARG002  # a gateway shows its jobs whole
    ) -> list[Shown]:
        """Return the newest jobs of the key's tenant; raises WrongUse where that is another one."""
        asked = {"page_size": str(min(most, MOST_OF_A_PAGE))} | (
            {"status": status} if status else {}
        )
        found: list[Shown] = []
        with self._worded():
            while len(found) < most:
                page = self._door.get(f"{JOBS}?{urlencode(asked)}")
                found += page["results"]
                if not page["next"]:
                    break
                # only its cursor: the link may name a host that the key is not for
                asked["cursor"] = parse_qs(urlsplit(page["next"]).query)["cursor"][0]
        if tenant is not None and any(job["tenant"] != tenant for job in found):
            raise WrongUse(http_errors.foreign(tenant))
        return found[:most]

    def cancel(self, job_id: UUID) -> Shown:
        """Cancel the job; one that has ended stays as it is."""
        try:
            return self._steer(job_id, "cancel")
        except NotRunning:
            return self.find(job_id)

    def retry(self, job_id: UUID) -> Shown:
        """Let the job do the rest."""
        try:
            return self._steer(job_id, "retry")
        except NotRunning as error:
            raise NothingToRetry(str(error)) from None

    def pause(self, job_id: UUID) -> Shown:
        """Let no further chunk of the job begin."""
        return self._steer(job_id, "pause")

    def resume(self, job_id: UUID) -> Shown:
        """Let a paused job go on."""
        return self._steer(job_id, "resume")

    def receipt(self, job_id: UUID, outcomes: Sequence[str], form: str) -> Iterator[str]:
        """Pass on the receipt as the gateway streams it."""
        query = urlencode([("outcome", one) for one in outcomes])
        with self._worded(), _about(job_id):
            yield from self._door.text(f"{JOBS}{job_id}/receipt?{query}", form, READ_S)

    def _steer(self, job_id: UUID, what: str) -> Shown:
        with self._worded(), _about(job_id):
            shown: Shown = self._door.post(f"{JOBS}{job_id}/{what}")
            return shown

    def events(self, since: datetime | None, *, follow: bool) -> Iterator[str | None]:
        """Yield the events of the gateway's feed."""
        with self._worded():
            found = sse.read(self._door) if follow else self._events(self._ends())
            for text in found:
                if text is None or since is None or _time(text) >= since:
                    yield text

    def _ends(self) -> set[tuple[str, str]]:
        newest = self.latest(None, None, MOST_KNOWN, whole=False)
        return {_end(job) for job in newest if job["status"] in ENDS}

    def _events(self, known: set[tuple[str, str]]) -> Iterator[str]:
        """Yield the events there are till these ends are among them, and no more come.

        A feed does not say where it is at its end; that it has shown the ends that are known does.
        """
        heard = None
        for text in sse.read(self._door):
            if text is not None:
                known.discard(_end(json.loads(text)["data"]))
                yield text
            if text is not None or heard is None:
                heard = time.monotonic()
            elif time.monotonic() - heard > (MISSING_S if known else QUIET_S):
                break
        if known:
            terminal.say(f"The feed shows no end of {len(known)} jobs that have ended.")

    @contextmanager
    def _worded(self, job: Job | None = None) -> Iterator[None]:
        """Raise what the gateway refuses in our words."""
        try:
            yield
        except Refused as refused:
            raise http_errors.worded(refused, self._door.url, job) from None


@contextmanager
def _about(job_id: UUID) -> Iterator[None]:
    try:
        yield
    except Refused as refused:
        detail = (refused.told or {}).get("detail")
        if refused.status == GONE:
            raise Forgotten(str(detail)) from None
        if refused.status == CONFLICT:
            raise NotRunning(str(detail)) from None
        if refused.status != NOT_FOUND or detail is None:
            raise
        message = f"There is no job {job_id}: `tagsweep jobs list` shows those there are."
        raise NoSuchJob(message) from None


def _end(job: Shown) -> tuple[str, str]:
    """Return which end of which job is told, by the job or by its event's data."""
    return job.get("id") or job["job_id"], job["finished_at"]


def _time(text: str) -> datetime:
    return datetime.fromisoformat(json.loads(text)["time"])
