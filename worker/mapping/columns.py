"""Whether the columns that a map names are there, and can be what it says of them."""

from __future__ import annotations

from tagsweep.worker.mapping import file
from tagsweep.worker.mapping.catalogue import Column, Table
from tagsweep.worker.models.mapped import is_written

#: of the columns that have to be of a certain kind of type: its category, and what it is
_CATEGORIES = {
    "name": ("S", "text"),
    "created_at": ("D", "timestamptz or timestamp"),
    "updated_at": ("D", "timestamptz or timestamp"),
    "counter": ("N", "smallint, integer or bigint"),
}
_NO_MOMENTS = ("date", "time")
#: such as citext and char: a job's name would be found, and its tag not known by that name
NO_TEXT = (
    "column {column} is {type}, of which different texts are equal: it has to be text or varchar "
    "(a column generated from it can be named instead, where jobs do not write it)"
)


def check(table: Table, columns: dict[str, str | None], place: list[str]) -> None:
    """Raise SettingsError if one is missing, or cannot be what its key says."""
    for key, column in columns.items():
        if column is not None and column not in table.columns:
            has = ", ".join(table.columns)
            file.fail([*place, key], f"{table.name} has no column {column}: it has {has}")
        if column is not None and key in _CATEGORIES:
            _check_category(table.columns[column], *_CATEGORIES[key], [*place, key])


def check_written(table: Table, columns: dict[str, str | None], place: list[str]) -> None:
    """Raise SettingsError if one cannot be written."""
    for key, column in columns.items():
        if column is not None and table.columns[column].generated:
            problem = f"column {column} of {table.name} is generated from other columns"
            file.fail([*place, key], f"{problem}: no job can write it")


def _check_category(column: Column, category: str, wanted: str, place: list[str]) -> None:
    bare = column.type.split(" ")[0].split("(")[0]
    if column.category != category or bare in _NO_MOMENTS:
        file.fail(place, f"column {column.name} is {column.type}: it has to be {wanted}")
    if category == "S":
        _check_text(column, place)


def _check_text(column: Column, place: list[str]) -> None:
    if not column.is_text:
        file.fail(place, NO_TEXT.format(column=column.name, type=column.type))


def tenant_type(table: Table, column: str | None, only: str | None, place: list[str]) -> str | None:
    """Return the type of the tenant's column if it is not text; ``only``: the one tenant."""
    if column is None:
        return None
    found = table.columns[column]
    if found.category == "S":
        _check_text(found, [*place, "tenant"])
        return None
    if found.kind is None:
        problem = "a tenant is text, uuid, smallint, integer or bigint"
        file.fail([*place, "tenant"], f"column {column} is {found.type}: {problem}")
    if only is not None and not is_written(only, found.type):
        problem = f"column {column} is {found.type}, and the one tenant is {only}"
        file.fail([*place, "tenant"], problem)
    return found.type


def check_kind(table: Table, column: str, kind: str, place: list[str]) -> None:
    """Raise SettingsError if a column does not hold ids of this kind."""
    found = table.columns[column]
    if found.kind is None:
        file.fail(place, of_no_kind(table, column))
    if found.kind != kind:
        file.fail(place, f"column {column} of {table.name} is {found.type}, not {kind}")


def of_no_kind(table: Table, column: str) -> str:
    """Return what is wrong with a column that can hold no ids."""
    found = table.columns[column].type
    return f"column {column} of {table.name} is {found}: ids are uuid, smallint, integer or bigint"
