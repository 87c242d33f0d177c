"""Whether a job's resources are those of the map, before anything of it is recorded."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from tagsweep.worker.errors import InvalidJob, ItemError
from tagsweep.worker.mapping import file
from tagsweep.worker.mapping.file import Map
from tagsweep.worker.models import conditions
from tagsweep.worker.models.ids import RESOURCE_TYPES
from tagsweep.worker.models.jobs import Job
from tagsweep.worker.models.resources import ANY, KINDS, NUMBER, kinds

NO_MAP = (
    "There are no resources but the eight types here: TAGSWEEP_MAP, which maps tables of your own, "
    "is not set."
)


def check(job: Job) -> None:
    """Raise InvalidJob if the job names resources that it cannot be about."""
    named = kinds(getattr(job, "resources", {}))
    mapping = file.load()
    if mapping is None:
        if named:
            raise InvalidJob([_error("/resources", "no_map", NO_MAP)])
        return
    errors = [*_unknown(mapping, named), *_foreign(mapping, job), *_timeless(mapping, job)]
    if errors:
        raise InvalidJob(errors)


def names(mapping: Map | None, job: Job) -> list[str]:
    """Return the names of the mapped resources that a job is about."""
    if mapping is None:
        return []
    listed = [name for name in RESOURCE_TYPES if name in mapping.resources and _gives(job, name)]
    return list(dict.fromkeys([*listed, *getattr(job, "resources", {})]))


def _gives(job: Job, name: str) -> bool:
    return bool(getattr(job, name, None))


def _unknown(mapping: Map, named: dict[str, str]) -> Iterator[ItemError]:
    """Yield what is wrong with the names of the resources, and the kinds of their ids."""
    for name, kind in named.items():
        path = f"/resources/{name}"
        known = mapping.resources.get(name)
        if known is None:
            close = difflib.get_close_matches(name, mapping.resources, n=1)
            advice = (
                f"Did you mean {close[0]}?" if close else f"It has {', '.join(mapping.resources)}."
            )
            yield _error(path, "unknown_resource", f"The map has no such resource. {advice}")
        elif kind in KINDS and kind not in (known.kind, ANY):
            right, wrong = (
                ("whole numbers", "UUIDs") if known.kind == NUMBER else ("UUIDs", "whole numbers")
            )
            yield _error(path, "wrong_kind", f"Its ids are {right}, not {wrong}.")


def _foreign(mapping: Map, job: Job) -> Iterator[ItemError]:
    """Yield what is wrong with the tags that the resources together have."""
    known = [name for name in names(mapping, job) if name in mapping.resources]
    tags = {name: mapping.tags_of(name) for name in known}
    ours = [name for name in RESOURCE_TYPES if _gives(job, name) and name not in mapping.resources]
    twice = [name for name in known if _gives(job, name) and name in getattr(job, "resources", {})]
    for name in twice:
        yield _error(f"/{name}", "twice", f"It is given in resources.{name} too: give it once.")
    if known and (ours or len(set(map(repr, tags.values()))) > 1):
        others = ", ".join([*ours, *known][:-1])
        reason = f"{known[-1]} has its tags in another table than {others}: make one job of each."
        yield _error("/resources", "mixed_tags", reason)
    for name, table in tags.items():
        if table.tenant_fixed not in (None, job.tenant):
            yield _error("/tenant", "foreign_tenant", f"{name} is no resource of this tenant.")
            return


def _timeless(mapping: Map, job: Job) -> Iterator[ItemError]:
    """Yield an error for each condition on times of resources that have none."""
    known = (name for name in names(mapping, job) if name in mapping.resources)
    timeless = [name for name in known if mapping.resources[name].created_at is None]
    for field in conditions.TIMES:
        if timeless and getattr(job, field, None) is not None:
            reason = (
                f"When a tag came to be on {timeless[0]} is not known: "
                "the map has no created_at for it."
            )
            yield _error(f"/{field}", "no_time", reason)


def _error(path: str, code: str, reason: str) -> ItemError:
    return {"path": path, "code": code, "reason": reason}
