"""Rows as streamed text: one JSON object per line, or comma-separated values."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

NDJSON, CSV = "application/x-ndjson", "text/csv"
#: rows in a piece: about 150 kB
PIECE = 1_000

Written = Callable[[Sequence[str], Iterable[dict[str, Any]]], Iterator[str]]

#: how formulas start in the various spreadsheets; some of them skip leading spaces
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")

_encode = json.JSONEncoder(separators=(",", ":")).encode


def ndjson(columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> Iterator[str]:  # noqa: ARG001  # each row names its own
    """Yield each row as a line of ASCII JSON; nothing if there are no rows."""
    for some in _pieces(rows):
        yield "".join(_encode(row) + "\n" for row in some)


def comma_separated(columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Yield a header line, and each row as in RFC 4180; null is empty.

    Text that a spreadsheet would take for a formula gets a leading apostrophe: anyone can choose
    names.
    """
    yield _lines([columns])
    for some in _pieces(rows):
        yield _lines([_cell(row[name]) for name in columns] for row in some)


def _pieces(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    rows = iter(rows)
    while some := list(islice(rows, PIECE)):
        yield some


def _lines(rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"'{value}" if value.lstrip(" ").startswith(_FORMULA) else value
    return "" if value is None else str(value)


#: by media type, the default first
FORMS: dict[str, Written] = {NDJSON: ndjson, CSV: comma_separated}
