"""The producer's door to the broker: send a job, whatever its length, and follow it by its id."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from uuid import UUID, uuid4

from tagsweep.producer.handle import JobHandle
from tagsweep.producer.spool import NameSpool, Spool
from tagsweep.worker import settings
from tagsweep.worker.broker import app, names, results, sending
from tagsweep.worker.errors import InvalidJob, TagsweepError
from tagsweep.worker.models.fields import EVERY
from tagsweep.worker.models.ids import RESOURCE_TYPES, unpack
from tagsweep.worker.models.jobs import (
    AttachJob,
    DeleteJob,
    DetachJob,
    Job,
    UndoJob,
)
from tagsweep.worker.models.parts import Part

#: up to here a job is one message that anybody can read; a longer one goes in packed parts
MOST_IN_ONE_MESSAGE = 20_000

#: ids of resources, or "*": all that carry the tags
Ids = Iterable[str | UUID]


class TagSweep:
    """Enqueues jobs; it needs the broker alone, and a result backend to ask for their outcome."""

    def __init__(self, broker_url: str | None = None, results_url: str | None = None) -> None:
        """Use the broker at ``broker_url``; by default TAGSWEEP_BROKER_URL.

        Raises SettingsError where the environment is not usable.
        """
        config = settings.load()
        if broker_url is not None:
            config = config.over(broker_url=broker_url)
        if results_url is not None:
            config = config.over(results_url=results_url)
        self._app = app.app() if config == settings.load() else app.create(config)
        self._embedded = config.embedded

    def detach(  # noqa: PLR0913  # the eight lists of the contract, and the options of any job
        self,
        *,
        tenant: str,
        names: Iterable[str],
        sources: Ids = (),
        transformations: Ids = (),
        destinations: Ids = (),
        visualizations: Ids = (),
        layers: Ids = (),
        folders: Ids = (),
        tables: Ids = (),
        volumes: Ids = (),
        dry_run: bool = False,
        max_affected: int | None = None,
        job_id: str | UUID | None = None,
    ) -> JobHandle:
        """Take the tags ``names`` off the listed resources; each list any iterable of UUIDs.

        In place of a list, "*" is every resource of that type that carries the tags.

        ``dry_run``: only find out what would be removed. ``max_affected``: remove nothing at all
        where more than that would be. ``job_id``: the same id again is the same job, never a
        second one. Raises InvalidJob, a ValueError, before anything is sent; BrokerUnavailable
        where the broker does not take it.
        """
        return self._send_links(DetachJob, locals())

    def attach(  # noqa: PLR0913  # the eight lists of the contract, and the options of any job
        self,
        *,
        tenant: str,
        names: Iterable[str],
        sources: Ids = (),
        transformations: Ids = (),
        destinations: Ids = (),
        visualizations: Ids = (),
        layers: Ids = (),
        folders: Ids = (),
        tables: Ids = (),
        volumes: Ids = (),
        dry_run: bool = False,
        max_affected: int | None = None,
        job_id: str | UUID | None = None,
    ) -> JobHandle:
        """Put the tags ``names``, created where they are missing, on each of the resources.

        At least one id in all; the rest as in ``detach``.
        """
        return self._send_links(AttachJob, locals())

    def delete(  # noqa: PLR0913  # the lists of the contract, and the options of any job
        self,
        *,
        tenant: str,
        workspaces: Iterable[str],
        tags: Iterable[Mapping[str, str | None]] = (),
        sys_tags: Iterable[Mapping[str, str | None]] = (),
        dry_run: bool = False,
        max_affected: int | None = None,
        job_id: str | UUID | None = None,
    ) -> JobHandle:
        """Delete key/value tags from the listed workspaces; a tag is ``{"key": …, "value": …}``.

        Without a value it goes by key alone. ``workspaces="*"`` is every workspace that has any of
        them. Options and errors as in ``detach``.
        """
        body = {
            "tenant": tenant,
            "tags": _plain(tags, "tags"),
            "sys_tags": _plain(sys_tags, "sys_tags"),
            "dry_run": dry_run,
            "max_affected": max_affected,
        }
        if _is_every(workspaces):
            whole = DeleteJob.parse({**body, "workspaces": EVERY}).head()
            return self._send(DeleteJob, whole, job_id)
        head = DeleteJob.parse_head(body).head()
        with NameSpool() as spool:
            spool.add(_iterable(workspaces, "workspaces"))
            if len(spool) <= MOST_IN_ONE_MESSAGE:
                names = [name for part in spool.parts() for name in part]
                return self._send(DeleteJob, {**head, "workspaces": names}, job_id)
            parts = ({"workspaces": names} for names in spool.parts())
            return self._stream(DeleteJob, head, parts, job_id)

    def undo(
        self,
        *,
        tenant: str,
        job: str | UUID,
        dry_run: bool = False,
        max_affected: int | None = None,
        job_id: str | UUID | None = None,
    ) -> JobHandle:
        """Take back what ``job``, an earlier one of the tenant's, has changed; the rest as above.

        Where it cannot be undone, the new job ends ``rejected`` and says why.
        """
        body = {"tenant": tenant, "job": str(job)}
        options = {"dry_run": dry_run, "max_affected": max_affected}
        return self._send(UndoJob, UndoJob.parse({**body, **options}).head(), job_id)

    def job(self, job_id: str | UUID) -> JobHandle:
        """Return the handle of a job that was sent before."""
        return JobHandle(self._app, _job_id(job_id))

    def _send_links(self, kind: type[Job], given: Mapping[str, Any]) -> JobHandle:
        plain = {name: given[name] for name in ("tenant", "dry_run", "max_affected")}
        every = {name: EVERY for name in RESOURCE_TYPES if _is_every(given[name])}
        body = {**plain, **every, "names": _plain(given["names"], "names")}
        head, job_id = kind.parse_head(body).head(), given["job_id"]
        with Spool() as spool:
            for name in (one for one in RESOURCE_TYPES if one not in every):
                spool.add(name, _iterable(given[name], name))
            spool.check()
            if len(spool) > MOST_IN_ONE_MESSAGE:
                return self._stream(kind, head, ({"ids": ids} for ids in spool.parts()), job_id)
            packed = next(spool.parts(), {})
            kind.parse({**head, **packed})
            lists = {name: list(unpack(ids)) for name, ids in packed.items()}
            return self._send(kind, {**head, **lists}, job_id)

    def _send(self, kind: type[Job], body: dict[str, Any], job_id: str | UUID | None) -> JobHandle:
        handle = self._handle(job_id)
        sending.send(self._app, kind.task, body, task_id=handle.id)
        return handle

    def _stream(
        self,
        kind: type[Job],
        head: dict[str, Any],
        parts: Iterator[dict[str, Any]],
        job_id: str | UUID | None,
    ) -> JobHandle:
        handle = self._handle(job_id)
        results.expect(self._app, handle.id)
        nonce = uuid4().hex
        count = 0
        held: dict[str, Any] | None = next(parts, {})
        while held is not None:
            following = next(parts, None)
            part = Part(
                job_id=UUID(handle.id),
                nonce=nonce,
                number=count,
                parts=count + 1 if following is None else None,
                kind=kind.kind,
                head=head,
                **held,
            )
            # its answer is the job's, not its own
            body = part.model_dump(mode="json")
            sending.send(self._app, Part.task, body, queue=names.parts(), ignore_result=True)
            count, held = count + 1, following
        return handle

    def _handle(self, job_id: str | UUID | None) -> JobHandle:
        if self._embedded and not app.embedded_worker.is_set():
            raise TagsweepError(
                "memory:// reaches only a worker in this same process, and none runs here: set "
                "TAGSWEEP_BROKER_URL, or use the `tagsweep` command."
            )
        return JobHandle(self._app, _job_id(job_id or uuid4()))


def _plain(values: Iterable[Any], name: str) -> list[Any]:
    return [dict(one) if isinstance(one, Mapping) else one for one in _iterable(values, name)]


def _is_every(values: Any) -> bool:
    return isinstance(values, str) and values == EVERY


def _iterable(values: Any, name: str) -> Iterable[Any]:
    """Return ``values`` where they can be a list; a lone text is a slip, not a list of letters."""
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        reason = f'Expected a list of items but got type "{type(values).__name__}".'
        raise InvalidJob([{"path": f"/{name}", "code": "not_a_list", "reason": reason}])
    return values


def _job_id(value: str | UUID) -> str:
    try:
        return str(UUID(str(value)))
    except ValueError:
        reason = "Must be a valid UUID."
        raise InvalidJob([{"path": "/job_id", "code": "invalid_uuid", "reason": reason}]) from None
