"""A tag as its own resource: what a request to create or rename one has to say."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from tagsweep.worker.errors import InvalidJob
from tagsweep.worker.models.fields import Name
from tagsweep.worker.models.item_errors import item_error


class Naming(BaseModel):
    """The name that a tag is to have."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name

    @classmethod
    def parse(cls, body: object) -> Self:
        """Return what ``body``, a decoded JSON value, says; raises InvalidJob."""
        try:
            return cls.model_validate(body)
        except ValidationError as error:
            details = error.errors(include_url=False)
            raise InvalidJob([item_error(detail, cls) for detail in details]) from None
