"""Whether a job's resources are those of the map, before anything of it is recorded."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator

from tagsweep.worker.errors import InvalidJob, ItemError
from tagsweep.worker.mapping import file
from tagsweep.worker.mapping.file import Map
from tagsweep.worker.models.fields import EVERY
from tagsweep.worker.models.ids import RESOURCE_TYPES
from tagsweep.worker.models.jobs import Job
from tagsweep.worker.models.options import conditions
from tagsweep.worker.models.parts import Part
from tagsweep.worker.models.records import JobRecord
from tagsweep.worker.models.resources import ANY, KINDS, NUMBER, WRONG, fits, kinds

NO_MAP = (
    "There are no resources but the eight types here: TAGSWEEP_MAP, which maps tables of your own, "
    "is not set."
)


def check(job: Job, listed: Collection[str] = ()) -> None:
    """Raise InvalidJob if the job names resources that it cannot be about.

    ``listed``: the types of which a part of a stream has ids, where the job itself has none.
    """
    named = kinds(getattr(job, "resources", {}))
    mapping = file.load()
    if mapping is None:
        if named:
            raise InvalidJob([_error("/resources", "no_map", NO_MAP)])
        return
    given = _given(job, listed)
    errors = [
        *_unknown(mapping, named),
        *_no_uuids(mapping, job, given),
        *_foreign(mapping, job, given),
        *_timeless(mapping, job, given),
        *_dropping(mapping, job, given),
    ]
    if errors:
        raise InvalidJob(errors)


def check_part(recorded: JobRecord, part: Part) -> None:
    """Raise InvalidJob if a part of a recorded job has lists that this job cannot have.

    Its first part has decided in which tables they are.
    """
    errors = [*_of_types(recorded, part), *_of_resources(recorded, part)]
    if errors:
        raise InvalidJob(errors)


def _of_types(recorded: JobRecord, part: Part) -> Iterator[ItemError]:
    mapping = file.load()
    mapped = recorded.resources.numbers if recorded.mapped else {}
    if recorded.mapped:
        wrong = [name for name in part.ids if name not in mapped]
    else:
        wrong = [name for name in part.ids if mapping and name in mapping.resources]
    if wrong:
        yield _mixed(wrong[-1], ", ".join(mapped) or "other lists of the job")


def _of_resources(recorded: JobRecord, part: Part) -> Iterator[ItemError]:
    known = {one.resource.name: one.resource.kind for one in recorded.resources.values()}
    for name, packed in part.resources.items():
        if name not in known:
            yield _error(f"/resources/{name}", "unknown_resource", "The job has no such list.")
        elif not fits(known[name], packed):
            yield _error(f"/resources/{name}", *WRONG[known[name]])


def names(mapping: Map | None, job: Job, listed: Collection[str] = ()) -> list[str]:
    """Return the names of the mapped resources that a job is about."""
    if mapping is None:
        return []
    types = [name for name in _given(job, listed) if name in mapping.resources]
    return list(dict.fromkeys([*types, *getattr(job, "resources", {})]))


def names_of_stream(mapping: Map | None, job: Job, listed: Collection[str]) -> list[str]:
    """Return the same of a job that comes in parts, of which one has ids of the types ``listed``.

    Types of which other parts may have some are among them.
    """
    known = names(mapping, job, listed)
    if mapping is None or not known:
        return []
    tags = mapping.tags_of(known[0])
    types = (
        name
        for name in RESOURCE_TYPES
        if (one := mapping.resources.get(name)) and one.kind != NUMBER
    )
    return list(dict.fromkeys([*known, *(name for name in types if mapping.tags_of(name) == tags)]))


def _given(job: Job, listed: Collection[str]) -> list[str]:
    """Return the types of which the job has ids, or all."""
    return [name for name in RESOURCE_TYPES if name in listed or getattr(job, name, None)]


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


def _no_uuids(mapping: Map, job: Job, given: list[str]) -> Iterator[ItemError]:
    """Yield what is wrong with lists of types, whose ids are UUIDs, that a map has as numbers."""
    for name in given:
        known = mapping.resources.get(name)
        if known and known.kind == NUMBER and getattr(job, name) != EVERY:
            reason = f"Its ids are whole numbers, not UUIDs: give them in resources.{name}."
            yield _error(f"/{name}", "wrong_kind", reason)


def _foreign(mapping: Map, job: Job, given: list[str]) -> Iterator[ItemError]:
    """Yield what is wrong with the tags that the resources together have."""
    known = [name for name in names(mapping, job, given) if name in mapping.resources]
    tags = {name: mapping.tags_of(name) for name in known}
    ours = [name for name in given if name not in mapping.resources]
    twice = [name for name in known if name in given and name in getattr(job, "resources", {})]
    for name in twice:
        yield _error(f"/{name}", "twice", f"It is given in resources.{name} too: give it once.")
    if known and (ours or len(set(map(repr, tags.values()))) > 1):
        yield _mixed(known[-1], ", ".join([*ours, *known][:-1]))
    for name, table in tags.items():
        if table.tenant_fixed not in (None, job.tenant):
            yield _error("/tenant", "foreign_tenant", f"{name} is no resource of this tenant.")
            return


def _timeless(mapping: Map, job: Job, given: list[str]) -> Iterator[ItemError]:
    """Yield an error for each condition on times of resources that have none."""
    known = (name for name in names(mapping, job, given) if name in mapping.resources)
    timeless = [name for name in known if mapping.resources[name].created_at is None]
    for field in conditions.TIMES:
        if timeless and getattr(job, field, None) is not None:
            reason = (
                f"When a tag came to be on {timeless[0]} is not known: "
                "the map has no created_at for it."
            )
            yield _error(f"/{field}", "no_time", reason)


def _dropping(mapping: Map, job: Job, given: list[str]) -> Iterator[ItemError]:
    """Yield an error if the job is to drop tags in tables of the operator's own."""
    known = [name for name in names(mapping, job, given) if name in mapping.resources]
    if known and getattr(job, "drop", False):
        reason = (
            f"The tags of {known[0]} are in a table of your own: leave drop out, and delete them "
            "where your application does."
        )
        yield _error("/drop", "mapped_tags", reason)


def _mixed(name: str, others: str) -> ItemError:
    reason = f"{name} has its tags in another table than {others}: make one job of each."
    return _error("/resources", "mixed_tags", reason)


def _error(path: str, code: str, reason: str) -> ItemError:
    return {"path": path, "code": code, "reason": reason}
