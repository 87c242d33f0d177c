"""Jobs through a gateway, over HTTP: neither store nor broker is touched."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import datetime
from itertools import islice
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import UUID, uuid4

from tagsweep.producer.cli.backends import gateway_events, http_errors
from tagsweep.producer.cli.backends.backend import JobQuery, Shown
from tagsweep.producer.cli.backends.http import Client, GatewayUnavailable, Refused
from tagsweep.producer.cli.backends.request_body import Document, Payload
from tagsweep.producer.cli.output import forms, terminal
from tagsweep.worker.audit.actions import EntryFilter
from tagsweep.worker.errors import (
    CannotRun,
    Forgotten,
    NoSuchJob,
    NothingToRetry,
    NotRunning,
    TagsweepError,
)
from tagsweep.worker.models import formats
from tagsweep.worker.models.jobs import Job

JOBS = "/api/v1/jobs/"
AUDIT = "/api/v1/audit/"
#: the id of no job: asking for it shows whether the gateway takes the key and has its store
NOBODY = UUID(int=0)
NOT_FOUND, CONFLICT, GONE = 404, 409, 410
MAX_PAGE = 1_000
#: how long a gateway may take to record a job of many ids
RECORD_S = 120.0
#: how long a gateway may take to read a piece of a receipt
READ_S = 60.0
#: pauses between two looks at a job: they grow the longer it takes
FIRST_S, LONGEST_S = 0.1, 1.0
#: the newest jobs whose events a feed must have shown before it is at its end
MAX_EXPECTED = 200

LOST = (
    "{error} The connection broke while it took the job: `tagsweep jobs list` shows whether it did."
)


class GatewayBackend:
    """Jobs through the gateway that ``client`` speaks to."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.silence = f"no worker seems to run behind the gateway at {client.url}."

    def record(self, job: Job) -> UUID:
        """Send the job in pieces; sent again if the connection breaks, it is still one job."""
        with self._worded(job):
            try:
                self._client.get(f"{JOBS}{NOBODY}")  # before millions of ids are sent for nothing
            except Refused as refused:
                if refused.status != NOT_FOUND or refused.body is None:
                    raise
            key = {"Idempotency-Key": uuid4().hex}
            return UUID(self._sent(Payload(job), key)["id"])

    def _sent(self, body: Payload, key: dict[str, str]) -> Shown:
        try:
            try:
                shown: Shown = self._client.post(JOBS, body, key, RECORD_S)
            except GatewayUnavailable:
                shown = self._client.post(JOBS, body, key, RECORD_S)
        except GatewayUnavailable as error:
            raise TagsweepError(LOST.format(error=error)) from error
        except KeyboardInterrupt:
            terminal.say("Stopped: `tagsweep jobs list` shows whether the job is recorded.")
            raise
        return shown

    def left(self) -> str | None:
        """Say nothing: there are workers behind a gateway."""
        return None

    def interrupted(self, job_id: UUID) -> str:
        """Say how to look at the job again."""
        return f"it continues; tagsweep jobs watch {job_id} shows it"

    def working(self, job_id: UUID) -> nullcontext[None]:  # noqa: ARG002  # the workers are elsewhere
        """Do nothing."""
        return nullcontext()

    def find(self, job_id: UUID) -> Shown:
        """Return the job as the gateway shows it."""
        with self._worded(), _about(job_id):
            shown: Shown = self._client.get(f"{JOBS}{job_id}")
            return shown

    def pauses(self) -> Iterator[float]:
        """Yield pauses that grow."""
        pause = FIRST_S
        while True:
            yield pause
            pause = min(LONGEST_S, pause * 1.3)

    def completion(self, job: Shown) -> dict[str, Any]:
        """Return what the job shows of its end, or its event if that shows more."""
        with self._worded():
            return gateway_events.completion(self._client, job)

    def latest(
        self,
        query: JobQuery,
        limit: int,
        *,
        whole: bool,  # noqa: ARG002  # a gateway shows its jobs whole
    ) -> list[Shown]:
        """Return the newest jobs of the key's tenant; raises WrongUse if the query has another."""
        since = query.since and query.since.isoformat()
        asked = {"kind": query.kind, "status": query.status, "since": since}
        asked["requested_by"] = query.by
        page_size = {"page_size": str(min(limit, MAX_PAGE))}
        parameters = page_size | {name: value for name, value in asked.items() if value}
        jobs: list[Shown] = []
        with self._worded():
            while len(jobs) < limit:
                page = self._client.get(f"{JOBS}?{urlencode(parameters)}")
                jobs += page["results"]
                if not page["next"]:
                    break
                # only its cursor: the link may name a host that must not get the key
                parameters["cursor"] = parse_qs(urlsplit(page["next"]).query)["cursor"][0]
        if query.tenant is not None and any(job["tenant"] != query.tenant for job in jobs):
            raise http_errors.foreign(query.tenant)
        return jobs[:limit]

    def tag_names(self, tenant: str, start: str, limit: int) -> list[str]:
        """Return names of the key's tenant: those that contain what they are to begin with."""
        asked = urlencode({"tenant": tenant, "search": start, "page_size": str(MAX_PAGE)})
        with self._worded():
            found = self._client.get(f"/api/v1/tags/?{asked}")["results"]
        return [tag["name"] for tag in found if tag["name"].startswith(start)][:limit]

    def cancel(self, job_id: UUID) -> Shown:
        """Cancel the job; one that has ended stays as it is."""
        try:
            return self._act(job_id, "cancel")
        except NotRunning:
            return self.find(job_id)

    def retry(self, job_id: UUID) -> Shown:
        """Run the job again on what is left."""
        try:
            return self._act(job_id, "retry")
        except NotRunning as error:
            raise NothingToRetry(str(error)) from None

    def run(self, preview: UUID, note: str | None) -> UUID:
        """Have the gateway run the preview."""
        try:
            return UUID(self._act(preview, "run", {"note": note})["id"])
        except NotRunning as error:
            raise CannotRun(str(error)) from None

    def pause(self, job_id: UUID) -> Shown:
        """Start no further chunk of the job."""
        return self._act(job_id, "pause")

    def resume(self, job_id: UUID) -> Shown:
        """Continue a paused job."""
        return self._act(job_id, "resume")

    def audit(self, query: EntryFilter, limit: int | None) -> Iterator[Shown]:
        """Pass on the entries as the gateway streams them."""
        since = query.since and query.since.isoformat()
        job = str(query.job) if query.job else None
        asked = {"tenant": query.tenant, "since": since, "action": query.action}
        asked |= {"requested_by": query.by, "job": job}
        parameters = urlencode({name: value for name, value in asked.items() if value})
        with self._worded():
            pieces = self._client.text(f"{AUDIT}?{parameters}", formats.NDJSON, READ_S)
            yield from islice(forms.lines_of(pieces), limit)

    def receipt(self, job_id: UUID, outcomes: Sequence[str], form: str) -> Iterator[str]:
        """Pass on the receipt as the gateway streams it."""
        query = urlencode([("outcome", outcome) for outcome in outcomes])
        with self._worded(), _about(job_id):
            yield from self._client.text(f"{JOBS}{job_id}/receipt?{query}", form, READ_S)

    def _act(self, job_id: UUID, action: str, body: Shown | None = None) -> Shown:
        with self._worded(), _about(job_id):
            sent = None if body is None else Document(body)
            shown: Shown = self._client.post(f"{JOBS}{job_id}/{action}", sent)
            return shown

    def events(self, since: datetime | None, *, follow: bool) -> Iterator[str | None]:
        """Yield the events of the gateway's feed."""
        with self._worded():
            for text in gateway_events.follow(self._client) if follow else self._until_now():
                if text is None or since is None or _time(text) >= since:
                    yield text

    def _until_now(self) -> Iterator[str]:
        newest = self.latest(JobQuery(), MAX_EXPECTED, whole=False)
        return gateway_events.until_shown(self._client, gateway_events.ends_of(newest))

    @contextmanager
    def _worded(self, job: Job | None = None) -> Iterator[None]:
        """Raise what the gateway refuses in the words of the command line."""
        try:
            yield
        except Refused as refused:
            raise http_errors.worded(refused, self._client.url, job) from None


@contextmanager
def _about(job_id: UUID) -> Iterator[None]:
    try:
        yield
    except Refused as refused:
        detail = (refused.body or {}).get("detail")
        if refused.status == GONE:
            raise Forgotten(str(detail)) from None
        if refused.status == CONFLICT:
            raise NotRunning(str(detail)) from None
        if refused.status != NOT_FOUND or detail is None:
            raise
        message = f"There is no job {job_id}: `tagsweep jobs list` shows the jobs there are."
        raise NoSuchJob(message) from None


def _time(text: str) -> datetime:
    return datetime.fromisoformat(json.loads(text)["time"])
