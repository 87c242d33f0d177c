"""A part of a streamed job: as many ids as one message carries, under the whole job's id."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationError,
)

from tagsweep.worker.errors import InvalidJob
from tagsweep.worker.models.fields import Workspaces
from tagsweep.worker.models.ids import RESOURCE_TYPES, WIDTH, number_of
from tagsweep.worker.models.jobs import KINDS, Job


def _from_base64(value: object) -> bytes:
    packed = value if isinstance(value, bytes) else base64.b64decode(str(value), validate=True)
    if len(packed) % WIDTH:
        raise ValueError(f"must be whole ids of {WIDTH} bytes each")
    return packed


def _among(known: Iterable[str]) -> AfterValidator:
    def check(name: str) -> str:
        if name not in known:
            raise ValueError(f"must be one of {', '.join(known)}")
        return name

    return AfterValidator(check)


Packed = Annotated[
    bytes,
    PlainValidator(_from_base64),
    PlainSerializer(lambda packed: base64.b64encode(packed).decode()),
]


class Part(BaseModel):
    """One message of a stream; valid in any order and any number of times."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: ClassVar[str] = "tags.part"

    job_id: UUID
    nonce: str = Field(min_length=1, max_length=36)  #: of this run of the producer
    number: int = Field(ge=0)  #: from 0
    parts: int | None = Field(None, ge=1)  #: how many there are, if known
    kind: Annotated[str, _among(KINDS)]
    head: dict[str, Any]  #: the job without its long lists
    ids: dict[Annotated[str, _among(RESOURCE_TYPES)], Packed] = {}
    resources: dict[str, Packed] = {}  #: those of a map
    workspaces: Workspaces = ()

    @classmethod
    def parse(cls, body: object) -> Part:
        """Return the part that ``body`` describes; raises InvalidJob if it is invalid."""
        try:
            return cls.model_validate(body)
        except ValidationError as error:
            text = str(error.errors(include_url=False, include_input=False)[0])
            raise InvalidJob([{"path": "", "code": "not_a_part", "reason": text}]) from None

    def job(self) -> Job:
        """Return the job without its long lists; raises InvalidJob if its head is invalid."""
        return KINDS[self.kind].parse_head(self.head)

    def packed(self) -> dict[int, bytes]:
        """Return the ids of resources in this part, packed, by number of their type."""
        return {number_of(name): ids for name, ids in self.ids.items() if ids}
