"""Tags and links in tables of the operator's own, as a job keeps them from when it is recorded.

A job refers to its mapped resources by numbers of its own, from FIRST: what the map said when it
was recorded goes with it, so that another map changes nothing about it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from tagsweep.worker.models.ids import name_of
from tagsweep.worker.models.resources import UUID_, shown

#: the number of a job's first mapped resource; those of the eight types are below
FIRST = 101

Kind = Literal["uuid", "bigint"]

#: the bits of each type of whole numbers
_BITS = {"smallint": 16, "integer": 32, "bigint": 64}


def is_written(tenant: str, type_: str | None) -> bool:
    """Return whether ``tenant`` is how the server writes a value of a tenant column's type.

    A tenant in any other spelling owns nothing: 007 is not 7. ``type_``: None is text.
    """
    try:
        if type_ is None:
            return True
        if type_ == UUID_:
            return str(UUID(tenant)) == tenant
        number, most = int(tenant), 2 ** (_BITS[type_] - 1)
    except ValueError:
        return False
    return str(number) == tenant and -most <= number < most


class Fixed(BaseModel):
    """A column that has one value in all rows that a map is about."""

    model_config = ConfigDict(frozen=True)

    column: str
    type: str  #: as the server writes it
    value: str | None


class TagTable(BaseModel):
    """A table of tags."""

    model_config = ConfigDict(frozen=True)

    schema_name: str
    table: str
    id: str
    name: str
    kind: Kind
    tenant: str | None = None  #: the column
    tenant_type: str | None = None  #: its type if it is not text
    tenant_fixed: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    counter: str | None = None
    create: bool = False
    unique: bool = True  #: no two tags of a tenant have the same name
    fixed: tuple[Fixed, ...] = ()


class Resource(BaseModel):
    """A table of links between tags and the resources of one name."""

    model_config = ConfigDict(frozen=True)

    name: str
    schema_name: str
    table: str
    tag: str
    object: str
    kind: Kind
    tags: TagTable
    fixed: tuple[Fixed, ...] = ()
    tenant: str | None = None
    tenant_type: str | None = None
    created_at: str | None = None
    grows: str | None = None
    #: the columns that the map does not explain, with their types
    kept: tuple[tuple[str, str], ...] = ()
    unique: bool = True  #: there is at most one row for each tag and resource

    def can_belong_to(self, tenant: str) -> bool:
        """Return whether links and tags can be this tenant's, as their columns are."""
        return all(is_written(tenant, of.tenant_type) for of in (self, self.tags))

    @property
    def tenants(self) -> str:
        """What tenants are, as their column is."""
        return f"tenants are {self.tenant_type or self.tags.tenant_type or 'text'}"

    @property
    def identity(self) -> str:
        """What tells these links from those of other resources, in any map."""
        fixed = sorted((one.column, one.value) for one in self.fixed)
        return repr((self.schema_name, self.table, self.tag, self.object, fixed))


class MappedResource(BaseModel):
    """A resource of a job, and how far its links had grown at certain moments."""

    model_config = ConfigDict(frozen=True)

    resource: Resource
    accepted: int | None = None  #: the highest key when the job was recorded
    split: int | None = None  #: when it was split
    ended: int | None = None  #: when it ended


class MappedResources(dict[int, MappedResource]):
    """The mapped resources of a job, by number."""

    @property
    def numbers(self) -> dict[str, int]:
        """Their numbers, by name."""
        return {one.resource.name: number for number, one in self.items()}

    def numbered(
        self, ids: Mapping[int, bytes], resources: Mapping[str, bytes]
    ) -> dict[int, bytes]:
        """Return lists of any kind by number: those of types, which may be mapped, and by name."""
        own = self.numbers
        lists = {own.get(name_of(number), number): packed for number, packed in ids.items()}
        return lists | {own[name]: packed for name, packed in resources.items() if packed}

    def name_of(self, number: int) -> str:
        """Return the name of the resources that ``number`` stands for."""
        return self[number].resource.name if number in self else name_of(number)

    def shown(self, number: int, packed: bytes) -> str | int:
        """Return the packed id of a resource as people and programs read it."""
        return shown(self[number].resource.kind if number in self else UUID_, packed)

    def shown_tag(self, tag: dict[str, Any]) -> dict[str, Any]:
        """Return a tag, whose id is a UUID in our record, as people and programs read it."""
        kind = next((one.resource.tags.kind for one in self.values()), UUID_)
        if kind == UUID_ or tag["id"] is None:
            return tag
        return {**tag, "id": UUID(tag["id"]).int}

    def written(self) -> list[dict[str, Any]]:
        """Return them as JSON, in the order of their numbers."""
        return [one.model_dump(mode="json") for _, one in sorted(self.items())]


def read(recorded: list[dict[str, Any]] | None) -> MappedResources:
    """Return the mapped resources of a job, as it was recorded."""
    some = enumerate(recorded or (), FIRST)
    return MappedResources((number, MappedResource.model_validate(one)) for number, one in some)
