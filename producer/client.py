"""Send a job to the broker, whatever its length, and follow it by its id."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Unpack
from uuid import UUID

from tagsweep.producer import lists
from tagsweep.producer.handle import JobHandle
from tagsweep.producer.lists import EVERY, NO_RESOURCES, NOT_GIVEN, Ids, MappedIds
from tagsweep.producer.options import DetachOptions, Options
from tagsweep.producer.sender import JobSender
from tagsweep.worker.models.jobs import AttachJob, DeleteJob, DetachJob, MergeJob, SetJob


class TagSweep(JobSender):
    """Sends jobs; it needs only the broker, and a result backend to ask for their outcome."""

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
        ``drop``: tags that are left without links are deleted.

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

    def merge(  # noqa: PLR0913  # the eight lists of the contract, and the options of any job
        self,
        *,
        tenant: str,
        names: Iterable[str],
        into: str,
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
        """Make links to the tags ``names`` links to ``into``, which is created if it is missing.

        Without any list, on resources of every type; the rest is as for ``detach``.
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
        body = {"tenant": tenant, "names": lists.plain(names, "names"), "into": into, **options}
        if "unless" in options:
            body["unless"] = lists.plain(options["unless"], "unless")
        if not resources and all(ids is NOT_GIVEN for ids in given.values()):
            given = dict.fromkeys(given, EVERY)
        return self._send_links(MergeJob, body, given, resources, job_id)

    def set(
        self,
        *,
        tenant: str,
        workspaces: Iterable[str],
        tags: Iterable[Mapping[str, str]] = (),
        sys_tags: Iterable[Mapping[str, str]] = (),
        job_id: str | UUID | None = None,
        **options: Unpack[Options],
    ) -> JobHandle:
        """Give each of the workspaces these tags, each ``{"key": …, "value": …}``.

        A key that is there gets the new value. ``workspaces="*"`` means every workspace of the
        tenant. Options and errors are as for ``detach``.
        """
        body = {
            "tenant": tenant,
            "tags": lists.plain(tags, "tags"),
            "sys_tags": lists.plain(sys_tags, "sys_tags"),
            **options,
        }
        return self._send_workspaces(SetJob, body, workspaces, job_id)

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
        return self._send_workspaces(DeleteJob, body, workspaces, job_id)
