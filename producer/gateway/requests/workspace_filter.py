"""Which workspaces a call looks for: the filter in its body."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from tagsweep.producer.gateway.requests import parsing
from tagsweep.worker.errors import InvalidJob
from tagsweep.worker.models.fields import Key, Value
from tagsweep.worker.models.item_errors import item_error
from tagsweep.worker.store.inventory.workspaces import Wanted

MOST_TAGS = MOST_VALUES = 20
MOST_MATCHES = 10


def _counted(least: int, most: int) -> BeforeValidator:
    def check(value: object) -> object:
        if isinstance(value, list) and not least <= len(value) <= most:
            wanted = f"{least} to {most}" if least < most else f"exactly {most}"
            words = f"There must be {wanted} items, not {len(value)}."
            raise PydanticCustomError("length", "{words}", {"words": words})
        return value

    return BeforeValidator(check)


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


_Key = Annotated[Key, Field(max_length=parsing.MAX_KEY)]
_Value = Annotated[Value, Field(max_length=parsing.MAX_VALUE)]


class _Tag(_Closed):
    key: _Key
    values: Annotated[list[_Value], _counted(0, MOST_VALUES)]


class _SysTag(_Closed):
    key: _Key
    values: Annotated[list[_Value], _counted(1, 1)]


class _Match(_Closed):
    key: Literal["resource_name"]
    value: _Value


class _Filter(_Closed):
    without_any_tag: bool | None = Field(default=None, strict=True)
    tags: Annotated[list[_Tag] | None, _counted(1, MOST_TAGS)] = None
    sys_tags: Annotated[list[_SysTag] | None, _counted(1, 1)] = None
    matches: Annotated[list[_Match] | None, _counted(1, MOST_MATCHES)] = None

    @model_validator(mode="after")
    def _each_key_once(self) -> _Filter:
        keys = [tag.key for tag in self.tags or []]
        if len({*keys}) < len(keys):
            raise PydanticCustomError("duplicate_key", "Each key may be there only once in tags.")
        return self


def parse(body: bytes) -> Wanted:
    """Return which workspaces are looked for; raises NotJson, InvalidJob."""
    try:
        given = _Filter.model_validate(parsing.decode(body))
    except ValidationError as error:
        details = error.errors(include_url=False)
        raise InvalidJob([item_error(detail, _Filter) for detail in details]) from None
    untagged = bool(given.without_any_tag)
    return Wanted(
        tags={} if untagged else {tag.key: tag.values for tag in given.tags or []},
        sys_tags={tag.key: tag.values for tag in given.sys_tags or []},
        names=[match.value for match in given.matches or []],
        untagged=untagged,
    )
