"""What sends a job to the broker: as one message, or in parts if its lists are long."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, Unpack
from uuid import UUID, uuid4

from tagsweep.producer import lists, messages
from tagsweep.producer.handle import JobHandle
from tagsweep.producer.lists import EVERY, NOT_GIVEN, Ids, MappedIds
from tagsweep.producer.options import Options
from tagsweep.producer.spool import NameSpool, Spool
from tagsweep.worker import settings
from tagsweep.worker.broker import app
from tagsweep.worker.errors import InvalidJob, TagsweepError
from tagsweep.worker.models.jobs import Job, UndoJob
from tagsweep.worker.models.run import RunRequest

#: a job of up to so many ids is one message that anybody can read; a longer one goes in parts
MAX_IDS_IN_ONE_MESSAGE = 20_000


class JobSender:
    """Sends jobs, also those that follow from another; a client has a method for each kind."""

    def __init__(
        self,
        broker_url: str | None = None,
        results_url: str | None = None,
        *,
        requested_by: str | None = None,
    ) -> None:
        """Use the broker at ``broker_url``; by default TAGSWEEP_BROKER_URL.

        ``requested_by``: who sends the jobs, as they show it. Raises SettingsError if the
        environment is not usable, InvalidJob if that is no name.
        """
        config = settings.load()
        if broker_url is not None:
            config = config.over(broker_url=broker_url)
        if results_url is not None:
            config = config.over(results_url=results_url)
        self._app = app.app() if config == settings.load() else app.create(config)
        self._embedded = config.embedded
        self._requester = messages.requester(requested_by)

    def undo(
        self,
        *,
        tenant: str,
        job: str | UUID,
        job_id: str | UUID | None = None,
        **options: Unpack[Options],
    ) -> JobHandle:
        """Undo what ``job``, an earlier job of the tenant, has changed; options are as above.

        If it cannot be undone, the new job ends ``rejected`` and says why.
        """
        body = {"tenant": tenant, "job": str(job), **options}
        return self._send(UndoJob, UndoJob.parse(body).head(), job_id)

    def run(self, *, tenant: str, job: str | UUID, note: str | None = None) -> JobHandle:
        """Do what ``job``, an earlier preview of the tenant, has shown, as of its acceptance.

        Sent again it is the same job. If it cannot be run, ``result`` of the handle says why.
        """
        wanted = RunRequest.parse({"tenant": tenant, "job": str(job), "note": note})
        handle = self._handle(wanted.job_id, tenant)
        self._send_body(handle, RunRequest.task, wanted.body())
        return handle

    def job(self, job_id: str | UUID, *, tenant: str | None = None) -> JobHandle:
        """Return the handle of a job that was sent before; ``tenant``: whose it is, to undo it."""
        return JobHandle(self._app, known_id(job_id), self, tenant)

    def _send_links(
        self,
        kind: type[Job],
        body: dict[str, Any],
        given: Mapping[str, Ids],
        resources: Mapping[str, MappedIds],
        job_id: str | UUID | None,
    ) -> JobHandle:
        every = {name: EVERY for name, ids in given.items() if lists.is_every(ids)}
        mapped = lists.mapped(resources)
        head = kind.parse_head({**body, **every, "resources": mapped.kinds}).head()
        listed = {name: lists.texts(ids, name) for name, ids in given.items() if name not in every}
        taken = lists.take(listed, MAX_IDS_IN_ONE_MESSAGE + 1)
        named: dict[str, Any] = {name: [] for name in listed if given[name] is not NOT_GIVEN}
        some = lists.take(mapped.lists, MAX_IDS_IN_ONE_MESSAGE + 1 - lists.size(taken))
        if lists.size(taken) + lists.size(some) <= MAX_IDS_IN_ONE_MESSAGE:
            whole = {**head, **named, **taken}
            if resources:
                whole["resources"] = mapped.every | {name: [] for name in mapped.lists} | some
            messages.check(kind, whole)
            return self._send(kind, whole, job_id)
        with Spool() as spool:
            for name, ids in listed.items():
                spool.add(name, chain(taken.get(name, ()), ids))
            for name, ids in mapped.lists.items():
                spool.add(name, chain(some.get(name, ()), ids), mapped.kinds[name])
            spool.check()
            empty = {name: none for name, none in named.items() if name not in spool.names}
            return self._stream(kind, head | empty, spool.parts(), job_id)

    def _send_workspaces(
        self,
        kind: type[Job],
        body: dict[str, Any],
        workspaces: Iterable[str],
        job_id: str | UUID | None,
    ) -> JobHandle:
        if lists.is_every(workspaces):
            whole = kind.parse({**body, "workspaces": EVERY}).head()
            return self._send(kind, whole, job_id)
        head = kind.parse_head(body).head()
        listed = {"workspaces": lists.texts(workspaces, "workspaces")}
        taken = lists.take(listed, MAX_IDS_IN_ONE_MESSAGE + 1)
        if lists.size(taken) <= MAX_IDS_IN_ONE_MESSAGE:
            whole = {"workspaces": [], **head, **taken}
            messages.check(kind, whole)
            return self._send(kind, whole, job_id)
        with NameSpool() as spool:
            spool.add(chain(taken["workspaces"], listed["workspaces"]))
            parts = ({"workspaces": names} for names in spool.parts())
            return self._stream(kind, head, parts, job_id)

    def _send(self, kind: type[Job], body: dict[str, Any], job_id: str | UUID | None) -> JobHandle:
        handle = self._handle(job_id, body["tenant"])
        self._send_body(handle, kind.task, body)
        return handle

    def _send_body(self, handle: JobHandle, task: str, body: dict[str, Any]) -> None:
        messages.send(self._app, handle.id, task, body | self._requester)

    def _stream(
        self,
        kind: type[Job],
        head: dict[str, Any],
        parts: Iterator[dict[str, Any]],
        job_id: str | UUID | None,
    ) -> JobHandle:
        handle = self._handle(job_id, head["tenant"])
        messages.send_parts(self._app, handle.id, kind, head | self._requester, parts)
        return handle

    def _handle(self, job_id: str | UUID | None, tenant: str) -> JobHandle:
        if self._embedded and not app.embedded_worker.is_set():
            raise TagsweepError(
                "memory:// reaches only a worker in this same process, and none runs here: set "
                "TAGSWEEP_BROKER_URL, or use the `tagsweep` command."
            )
        return JobHandle(self._app, known_id(job_id or uuid4()), self, tenant)


def known_id(value: str | UUID) -> str:
    """Return a job's id in its canonical spelling; raises InvalidJob."""
    try:
        return str(UUID(str(value)))
    except ValueError:
        reason = "Must be a valid UUID."
        raise InvalidJob([{"path": "/job_id", "code": "invalid_uuid", "reason": reason}]) from None
