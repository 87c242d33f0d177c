"""Send a job to the broker, whatever its length, and follow it by its id."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, Unpack
from uuid import UUID, uuid4

from tagsweep.producer import lists, messages
from tagsweep.producer.handle import JobHandle
from tagsweep.producer.lists import EVERY, NO_RESOURCES, NOT_GIVEN, Ids, MappedIds
from tagsweep.producer.options import DetachOptions, Options
from tagsweep.producer.spool import NameSpool, Spool
from tagsweep.worker import settings
from tagsweep.worker.broker import app
from tagsweep.worker.errors import InvalidJob, TagsweepError
from tagsweep.worker.models.jobs import AttachJob, DeleteJob, DetachJob, Job, UndoJob
from tagsweep.worker.models.run import RunRequest

#: a job of up to so many ids is one message that anybody can read; a longer one goes in parts
MAX_IDS_IN_ONE_MESSAGE = 20_000


class TagSweep:
    """Sends jobs; it needs only the broker, and a result backend to ask for their outcome."""

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

    def detach(  # noqa: PLR0913  # the eight lists of the contract, and the options of any job
        self,
        *,
        tenant: str,
        names: Iterable[str],
        sources: Ids = NOT_GIVEN,
        transformations: Ids = NOT_GIVEN,
        destinations: Ids = NOT_GIVEN,
        visualizations: Ids = NOT_GIVEN,
        layers: Ids = NOT_GIVEN,
        folders: Ids = NOT_GIVEN,
        tables: Ids = NOT_GIVEN,
        volumes: Ids = NOT_GIVEN,
        resources: Mapping[str, MappedIds] = NO_RESOURCES,
        job_id: str | UUID | None = None,
        **options: Unpack[DetachOptions],
    ) -> JobHandle:
        """Take the tags ``names`` off the listed resources; each list is any iterable of UUIDs.

        In place of a list, "*" means every resource of that type that carries the tags.
        ``resources``: lists of the resources of a map, by name; their ids may be whole numbers.
        ``attached_before``, ``attached_after``, ``unless``: conditions on what may be removed.

        ``job_id``: the same id again is the same job, never a second one. Raises InvalidJob, a
        ValueError, before anything is sent; BrokerUnavailable if the broker does not take it.
        """
        given = {
            "sources": sources,
            "transformations": transformations,
            "destinations": destinations,
            "visualizations": visualizations,
            "layers": layers,
            "folders": folders,
            "tables": tables,
            "volumes": volumes,
        }
        body = {"tenant": tenant, "names": lists.plain(names, "names"), **options}
        if "unless" in options:
            body["unless"] = lists.plain(options["unless"], "unless")
        return self._send_links(DetachJob, body, given, resources, job_id)

    def attach(  # noqa: PLR0913  # the eight lists of the contract, and the options of any job
        self,
        *,
        tenant: str,
        names: Iterable[str],
        sources: Ids = NOT_GIVEN,
        transformations: Ids = NOT_GIVEN,
        destinations: Ids = NOT_GIVEN,
        visualizations: Ids = NOT_GIVEN,
        layers: Ids = NOT_GIVEN,
        folders: Ids = NOT_GIVEN,
        tables: Ids = NOT_GIVEN,
        volumes: Ids = NOT_GIVEN,
        resources: Mapping[str, MappedIds] = NO_RESOURCES,
        job_id: str | UUID | None = None,
        **options: Unpack[Options],
    ) -> JobHandle:
        """Put the tags ``names``, which are created if missing, on each of the resources.

        Needs at least one id in all; the rest is as for ``detach``.
        """
        given = {
            "sources": sources,
            "transformations": transformations,
            "destinations": destinations,
            "visualizations": visualizations,
            "layers": layers,
            "folders": folders,
            "tables": tables,
            "volumes": volumes,
        }
        body = {"tenant": tenant, "names": lists.plain(names, "names"), **options}
        return self._send_links(AttachJob, body, given, resources, job_id)

    def delete(  # the lists of the contract, and the options of any job
        self,
        *,
        tenant: str,
        workspaces: Iterable[str],
        tags: Iterable[Mapping[str, str | None]] = (),
        sys_tags: Iterable[Mapping[str, str | None]] = (),
        job_id: str | UUID | None = None,
        **options: Unpack[Options],
    ) -> JobHandle:
        """Delete key/value tags from the listed workspaces; a tag is ``{"key": …, "value": …}``.

        Without a value, the key alone decides. ``workspaces="*"`` means every workspace that has
        any of them. Options and errors are as for ``detach``.
        """
        body = {
            "tenant": tenant,
            "tags": lists.plain(tags, "tags"),
            "sys_tags": lists.plain(sys_tags, "sys_tags"),
            **options,
        }
        if lists.is_every(workspaces):
            whole = DeleteJob.parse({**body, "workspaces": EVERY}).head()
            return self._send(DeleteJob, whole, job_id)
        head = DeleteJob.parse_head(body).head()
        listed = {"workspaces": lists.texts(workspaces, "workspaces")}
        taken = lists.take(listed, MAX_IDS_IN_ONE_MESSAGE + 1)
        if lists.size(taken) <= MAX_IDS_IN_ONE_MESSAGE:
            whole = {"workspaces": [], **head, **taken}
            messages.check(DeleteJob, whole)
            return self._send(DeleteJob, whole, job_id)
        with NameSpool() as spool:
            spool.add(chain(taken["workspaces"], listed["workspaces"]))
            parts = ({"workspaces": names} for names in spool.parts())
            return self._stream(DeleteJob, head, parts, job_id)

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
        messages.send(self._app, handle.id, RunRequest.task, wanted.body() | self._requester)
        return handle

    def job(self, job_id: str | UUID, *, tenant: str | None = None) -> JobHandle:
        """Return the handle of a job that was sent before; ``tenant``: whose it is, to undo it."""
        return JobHandle(self._app, _job_id(job_id), self, tenant)

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

    def _send(self, kind: type[Job], body: dict[str, Any], job_id: str | UUID | None) -> JobHandle:
        handle = self._handle(job_id, body["tenant"])
        messages.send(self._app, handle.id, kind.task, body | self._requester)
        return handle

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
        return JobHandle(self._app, _job_id(job_id or uuid4()), self, tenant)


def _job_id(value: str | UUID) -> str:
    try:
        return str(UUID(str(value)))
    except ValueError:
        reason = "Must be a valid UUID."
        raise InvalidJob([{"path": "/job_id", "code": "invalid_uuid", "reason": reason}]) from None
