"""The form of what is printed on stdout: a table for people; JSON, NDJSON or CSV for programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from tagsweep.producer.cli.output import tables, terminal
from tagsweep.worker.models import formats

TABLE, JSON, NDJSON, CSV = FORMS = ("table", "json", "ndjson", "csv")

#: returns what a table has of a row
Row = Callable[[Mapping[str, Any]], Mapping[str, Any]]
#: one thing, or a list of them
Value = Mapping[str, Any] | list[dict[str, Any]]


class _Chosen:
    """The form that the command was asked for."""

    form: str | None = None


def choose(form: str) -> None:
    """Print the result of this command as ``form``, one of FORMS."""
    _Chosen.form = form


def chosen(otherwise: str = TABLE) -> str:
    """Return the form that the command was asked for, or what it prints ``otherwise``."""
    return _Chosen.form or otherwise


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Return the lines of a table."""
    return tables.lines(head, rows)


def show(
    value: Value,
    lines: Iterable[str],
    *,
    rows: list[dict[str, Any]] | None = None,
    nothing: str | None = None,
) -> None:
    """Print ``value`` in the chosen form; for people it is the ``lines``.

    ``rows``: what NDJSON and CSV have a line for, unless it is ``value`` itself. ``nothing``: what
    people are told on stderr in place of an empty table.
    """
    form = chosen()
    if form == TABLE and nothing and not value:
        terminal.say(nothing)
    elif form == TABLE:
        terminal.write_lines(lines)
    elif form == JSON:
        terminal.document(value)
    else:
        for piece in _written(_rows(value) if rows is None else rows, form):
            terminal.pass_on(piece)


def _rows(value: Value) -> list[dict[str, Any]]:
    return value if isinstance(value, list) else [dict(value)]


def _written(rows: list[dict[str, Any]], form: str) -> Iterator[str]:
    if form == NDJSON:
        return formats.ndjson((), rows)
    flat = [_flat(row) for row in rows]
    columns = list(dict.fromkeys(name for row in flat for name in row))
    whole = ({name: row.get(name) for name in columns} for row in flat)
    return formats.comma_separated(columns, whole) if columns else iter(())


def _flat(row: Mapping[str, Any], within: str = "") -> dict[str, Any]:
    """Return ``row`` with ``{"a": {"b": 1}}`` as ``{"a.b": 1}``, and lists as JSON."""
    flat: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{within}{name}.")
        elif isinstance(value, list):
            flat[within + name] = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        else:
            flat[within + name] = value
    return flat


def stream(
    rows: Iterable[Mapping[str, Any]], columns: Sequence[str], form: str, row: Row | None = None
) -> None:
    """Print rows as they come, in ``form``: ``columns`` of a table, or of CSV.

    ``row`` returns what a table and CSV have of a row, if that is not the row itself.
    """
    short = map(row, rows) if row else rows
    if form == JSON:
        _array(rows)
    elif form == NDJSON:
        for piece in formats.ndjson((), map(dict, rows)):
            terminal.pass_on(piece)
    elif form == CSV:
        for piece in formats.comma_separated(columns, map(dict, short)):
            terminal.pass_on(piece)
    else:
        head = [name.upper() for name in columns]
        cells = ([_cell(one[name]) for name in columns] for one in short)
        terminal.write_lines(tables.lines(head, cells))


def _cell(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return "yes" if value else "-"
    return f"{value:,}" if isinstance(value, int) else str(value)


def lines_of(pieces: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Yield the objects of NDJSON that arrives in pieces."""
    rest = ""
    for piece in pieces:
        *lines, rest = (rest + piece).split("\n")
        yield from (json.loads(line) for line in lines if line)
    if rest:
        yield json.loads(rest)


def _array(rows: Iterable[Mapping[str, Any]]) -> None:
    before = "["
    for row in rows:
        terminal.pass_on(f"{before}\n  {json.dumps(row, ensure_ascii=False)}")
        before = ","
    terminal.pass_on("[]\n" if before == "[" else "\n]\n")
