"""The layout of the tables of a job: our own, or those that the map named when it was recorded."""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import BigInteger

from tagsweep.worker.models.mapped import FIRST, MappedResource, MappedResources, Resource
from tagsweep.worker.models.records import JobRecord
from tagsweep.worker.models.tables import Id, Moment, Number, PackedIds, PackedNumbers
from tagsweep.worker.store import conditions, mapped_tags
from tagsweep.worker.store.layout import CARRIES, OWN, Layout
from tagsweep.worker.store.statements import as_text, quoted

#: of what tells the links of one resource from all others
_NAMESPACE = UUID("2f0b4f60-7a0e-4f43-9d55-6d1b0d4e7f10")
_HIGHEST = 2**63 - 1

# What an undo has put back since that moment has its old key and time. The first condition is
# examined once, and almost always holds; else what came back is read once, not for each link.
_NOT_RESTORED = """(
    NOT EXISTS (SELECT 1 FROM @removal WHERE restored = :place AND restored_at > :{moment})
    OR ({tag_id}, {resource_id}) NOT IN (
        SELECT back.tag_id, one.id FROM @removal AS back CROSS JOIN unnest(back.ids) AS one (id)
        WHERE back.restored = :place AND back.restored_at > :{moment}
    )
)"""
_MISSING = """WHERE NOT EXISTS (
    SELECT 1 FROM {links} AS there
    WHERE there.{tag} = tag.id AND there.{resource} = listed.id AND {own}
)"""


def of(job: JobRecord, number: int | None = None) -> Layout:
    """Return the layout of the job's tags, with its links on the resources of one number."""
    if not job.mapped or (number is not None and number < FIRST):
        return conditions.narrowed(OWN, job)
    return conditions.narrowed(_mapped(job.resources[number or FIRST].resource), job)


def of_tags(resources: MappedResources) -> Layout:
    """Return a layout of the tags that these resources have, or those of the eight types."""
    return of_resource(resources[FIRST].resource if resources else None)


def of_resource(one: Resource | None) -> Layout:
    """Return the layout of some mapped resources, or of the eight types."""
    return OWN if one is None else _mapped(one)


def values(job: JobRecord, number: int) -> dict[str, Any]:
    """Return the bind parameters of statements on these links that are not the same for all."""
    asked = {"split_at": job.started_at, **conditions.values(job)}
    if not job.mapped or number < FIRST:
        return asked
    return asked | values_of(job.resources[number], job.tenant)


def values_of(one: MappedResource, tenant: str | None) -> dict[str, Any]:
    """Return the bind parameters of a tenant's links on mapped resources, without conditions."""
    moments = {
        "grown": one.accepted,
        "grown_at_split": _HIGHEST if one.split is None else one.split,
    }
    place = {"place": uuid5(_NAMESPACE, one.resource.identity)}
    return constants(one.resource, tenant) | moments | place


def constants(one: Resource, tenant: str | None) -> dict[str, Any]:
    """Return the bind parameters that say which links are a tenant's, on mapped resources."""
    fixed = {f"fixed_{at}": each.value for at, each in enumerate(mapped_tags.given(one.fixed))}
    return {**fixed, "tenant": tenant}


@lru_cache(maxsize=256)
def _mapped(one: Resource) -> Layout:
    tag, resource = quoted(one.tag), quoted(one.object)
    links = quoted(one.schema_name, one.table)
    found = f"{mapped_tags.read(resource, one.kind)} AS resource_id"
    then = _then(one)
    new = [quoted(name) for name, _ in _new(one)]
    made = [one.created_at] if one.created_at else []
    given = ["listed.id", *(value for _, value in _new(one)[2:])]
    return Layout(
        mapped=True,
        links=links,
        tag=tag,
        resource=resource,
        own=_own(one),
        then=then,
        time=one.created_at and quoted(one.created_at),
        carries=CARRIES.format(
            links=links,
            tag=tag,
            resource=resource,
            own=_own(one, "other."),
            outer=quoted(one.table, one.object),
        ),
        between=_between(one),
        returned=f"{mapped_tags.read(tag, one.tags.kind)} AS tag_id, {found}",
        returned_resource=found,
        single=one.unique,
        kept=_kept(one),
        inserted=", ".join([*new, *(quoted(name) for name in made)]),
        inserting=", ".join([*given, *("clock_timestamp()" for _ in made)]),
        conflict="",
        missing=_MISSING.format(links=links, tag=tag, resource=resource, own=_own(one, "there.")),
        restored=", ".join([*new, *(quoted(name) for name, _ in one.kept)]),
        restoring=", ".join([*given, *_restored(one)]),
        found=f"{mapped_tags.read('id', one.kind)} AS id",
        counted="count(*)" if one.unique else f"count(DISTINCT ({tag}, {resource}))",
        distinct="" if one.unique else "DISTINCT ",
        types=_types(one),
        **mapped_tags.of(one.tags),
    )


def _then(one: Resource, grown: str = "grown", moment: str = "accepted_at") -> str:
    """Return the condition that a link existed when the job was accepted, or at another moment."""
    if one.grows:
        existed = f"{quoted(one.grows)} <= :{grown}"
    elif one.created_at:
        existed = f"{quoted(one.created_at)} <= :{moment}"
    else:
        return "true"
    back = _NOT_RESTORED.format(
        moment=moment,
        tag_id=mapped_tags.read(quoted(one.table, one.tag), one.tags.kind),
        resource_id=mapped_tags.read(quoted(one.table, one.object), one.kind),
    )
    return f"{existed} AND {back}"


def _between(one: Resource) -> str:
    return f"NOT ({_then(one)}) AND {_then(one, 'grown_at_split', 'split_at')}"


def _constants(one: Resource) -> list[tuple[str, str]]:
    """Return the columns that are the same in all rows of the resource, and their values."""
    given = [
        (each.column, f"CAST(:fixed_{at} AS {each.type})")
        for at, each in enumerate(mapped_tags.given(one.fixed))
    ]
    null = [(each.column, "NULL") for each in one.fixed if each.value is None]
    return [*given, *null, *([(one.tenant, mapped_tags.tenant(one))] if one.tenant else [])]


def _new(one: Resource) -> list[tuple[str, str]]:
    """Return the columns of a new link, and their values."""
    return [(one.tag, "tag.id"), (one.object, "listed.id"), *_constants(one)]


def _own(one: Resource, table: str = "") -> str:
    """Return the condition that a row is a link on these resources."""
    conditions = [mapped_tags.equals(column, value, table) for column, value in _constants(one)]
    if one.kind == "bigint":  # no id of a job is negative
        conditions.append(f"{table}{quoted(one.object)} >= 0")
    return " AND ".join(conditions) or "true"


def _kept(one: Resource) -> str:
    """Return the SQL of the columns that the map does not explain, as one text."""
    texts = ", ".join(as_text(quoted(name), type_) for name, type_ in one.kept)
    # of several rows each is a line: JSON has no other line breaks
    columns = f"CAST(ARRAY[{texts}] AS text[])" if one.unique else f"json_build_array({texts})"
    return f"CAST({columns} AS text)"


def _restored(one: Resource) -> list[str]:
    return [f"CAST(old.kept[{at}] AS {type_})" for at, (_, type_) in enumerate(one.kept, 1)]


def _types(one: Resource) -> dict[str, Any]:
    number = one.kind == "bigint"
    numbered_tags = one.tags.kind == "bigint"
    return OWN.types | {
        "tag": Number() if numbered_tags else Id(),
        "tags": PackedNumbers() if numbered_tags else PackedIds(),
        "unless": Number() if numbered_tags else Id(),
        "low": Number() if number else Id(),
        "high": Number() if number else Id(),
        "ids": PackedNumbers() if number else PackedIds(),
        "place": Id(),
        "grown": BigInteger(),
        "grown_at_split": BigInteger(),
        "split_at": Moment(),
    }
