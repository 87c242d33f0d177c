"""The file that TAGSWEEP_MAP names: read, and checked as far as a file can be checked alone."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from tagsweep.worker import settings
from tagsweep.worker.errors import SettingsError
from tagsweep.worker.models.fields import identifies

VARIABLE = "TAGSWEEP_MAP"
#: the first words of our own routes
RESERVED = frozenset({"jobs", "tags", "events", "webhooks", "console", "audit"})

_NAME = r"^[a-z][a-z0-9_-]{0,62}$"
_IDENTIFIER = re.compile(r"[\w $-]{1,63}")


def _identifier(text: str) -> str:
    if not _IDENTIFIER.fullmatch(text):
        raise ValueError("must be 1 to 63 letters, digits, blanks, _, $ or -")
    return text


def _table(text: str) -> str:
    schema, dot, table = text.partition(".")
    if not dot:
        raise ValueError('must name its schema too, as in "public.taggit_tag"')
    return f"{_identifier(schema)}.{_identifier(table)}"


def _value(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else value


def _tenant(text: str) -> str:
    if not identifies(text):
        raise ValueError("must be 1 to 36 letters, digits or hyphens")
    return text


Column = Annotated[str, AfterValidator(_identifier)]
TableName = Annotated[str, AfterValidator(_table)]


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Select(_Closed):
    """A value that the database knows."""

    select: str


#: of a fixed column; the text NULL stands for no value
FixedColumns = dict[Column, Annotated[str, BeforeValidator(_value)] | Select]


class Tags(_Closed):
    """``[tags]``, or the table of tags of one resource."""

    table: TableName
    id: Column
    name: Column
    tenant: Column | None = None
    tenant_fixed: Annotated[str, AfterValidator(_tenant)] | None = None
    created_at: Column | None = None
    updated_at: Column | None = None
    counter: Column | None = None
    create: bool = False
    fixed: FixedColumns = {}

    @model_validator(mode="after")
    def _has_one_tenant(self) -> Self:
        if (self.tenant is None) == (self.tenant_fixed is None):
            raise ValueError("give either tenant (a column) or tenant_fixed (the one tenant)")
        return self


class Links(_Closed):
    """``[resources.NAME]``."""

    links: TableName
    tag: Column
    object: Column
    kind: Literal["uuid", "bigint"]
    fixed: FixedColumns = {}
    created_at: Column | None = None
    grows: Column | None = None
    tenant: Column | None = None
    tags: Tags | None = None
    undo: Literal["same-row", "new-row"] = "same-row"

    @model_validator(mode="after")
    def _has_one_clock(self) -> Self:
        if self.created_at is not None and self.grows is not None:
            raise ValueError("give either created_at or grows, not both")
        return self


class Map(_Closed):
    """The whole file."""

    tags: Tags | None = None
    resources: Annotated[dict[Annotated[str, Field(pattern=_NAME)], Links], Field(min_length=1)]

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        for name, links in self.resources.items():
            if name in RESERVED:
                raise ValueError(f"resources.{name}: the name is that of a route of tagsweep's own")
            if self.tags is None and links.tags is None:
                raise ValueError(
                    f"resources.{name}: there is no [tags], and it has no tags of its own"
                )
        for name, other in _overlapping(self.resources):
            raise ValueError(
                f"resources.{name}: its links overlap those of {other}: a fixed column has to tell "
                "them apart"
            )
        return self

    def tags_of(self, name: str) -> Tags:
        """Return the table of the tags of some resources."""
        own = self.resources[name].tags or self.tags
        assert own is not None  # noqa: S101  # see _is_consistent
        return own


def _overlapping(resources: dict[str, Links]) -> Iterator[tuple[str, str]]:
    some = list(resources.items())
    for at, (name, links) in enumerate(some):
        for other, theirs in some[:at]:
            if links.links != theirs.links or links.object != theirs.object:
                continue
            shared = links.fixed.keys() & theirs.fixed.keys()
            if all(links.fixed[column] == theirs.fixed[column] for column in shared):
                yield name, other


@cache
def load() -> Map | None:
    """Return the map that TAGSWEEP_MAP names; None if it names none. Raises SettingsError."""
    path = settings.load().map
    return None if path is None else read(path)


def read(path: Path) -> Map:
    """Return the map in a file; raises SettingsError with every fault, its line and its key."""
    try:
        text = path.read_text(encoding="utf-8")
        return Map.model_validate(tomllib.loads(text))
    except OSError as error:
        raise SettingsError(f"{VARIABLE}: cannot read {path}: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{VARIABLE}: {path} is not UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{VARIABLE}: {path} is not TOML: {error}.") from None
    except ValidationError as error:
        faults = [_worded(detail, text) for detail in error.errors(include_url=False)]
        raise SettingsError("\n".join(f"{path}:{fault}" for fault in faults)) from None


def fail(steps: list[str], problem: str) -> NoReturn:
    """Raise SettingsError about a key of the map, whose line it names."""
    path = settings.load().map
    line = _line(path.read_text(encoding="utf-8") if path else "", steps)
    raise SettingsError(f"{path}:{line}: {'.'.join(steps)}: {problem}.")


def _worded(detail: Any, text: str) -> str:
    steps = [
        str(step)
        for step in detail["loc"]
        if not str(step).startswith(("function-", "str", "Select"))
    ]
    problem = detail["msg"].removeprefix("Value error, ")
    if not steps and (named := re.match(r"(resources\.[\w-]+): ", problem)):
        steps, problem = named[1].split("."), problem[named.end() :]
    if detail["type"] == "extra_forbidden":
        problem = "is no key of a map"
    return f"{_line(text, steps)}: {'.'.join(steps) or 'the file'}: {problem}"


def _line(text: str, steps: list[str]) -> int:
    """Return the line on which a key is, or the nearest table above it that is written."""
    table: list[str] = []
    found, depth = 1, 0
    for number, line in enumerate(text.splitlines(), 1):
        written = line.strip()
        if header := re.match(r"\[([^\[\]]+)\]", written):
            table = [part.strip(" \"'") for part in header[1].split(".")]
            place = table
        elif key := re.match(r"[\"']?([\w-]+)[\"']?\s*=", written):
            place = [*table, key[1]]
        else:
            continue
        if place == steps[: len(place)] and len(place) > depth:
            found, depth = number, len(place)
    return found
