"""Files of ids: one a line, a column of CSV, or a receipt of an earlier job.

What a file is, its first line shows. One that cannot be read as it is, is refused with the way out.
"""

from __future__ import annotations

import codecs
import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from uuid import UUID

NIL = UUID(int=0)
#: columns of a receipt: what it is about
RESOURCE, WORKSPACE, TYPE, OUTCOME = "resource", "workspace", "resource_type", "outcome"
UTF_16 = "it is UTF-16: save it as UTF-8, or convert it (iconv -f UTF-16 -t UTF-8)"
JSON = "it is JSON: give one id a line (jq -r '.[]'), or name the member that holds it (--column)"
NO_COLUMN = "it has no column {column!r}, but {columns}"
CSV = "it is CSV: name the column that holds the ids (--column {column})"
QUOTED = "its lines are quoted: read it as CSV (--column 1)"

#: its number in its file, and its text
Entry = tuple[int, str]


class Unreadable(ValueError):
    """The file is no list of ids, as it is."""


def entries(file: Iterable[bytes], kind: str, column: str | None) -> Iterator[Entry]:
    """Yield the ids in ``file`` for the list ``kind``; ``column``: where they are in CSV or JSON.

    Raises Unreadable.
    """
    lines = iter(file)
    blank, first = _first_line(lines)
    if first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in first[:64]:
        raise Unreadable(UTF_16)
    first = first.removeprefix(codecs.BOM_UTF8)
    texts = (line.decode(errors="replace") for line in chain([first], lines))
    head = first.decode(errors="replace").strip()
    numbered = enumerate(texts, blank + 1)
    if head.startswith(("[", "{")):
        return _members(numbered, head, kind, column)
    delimiter = max(",;\t", key=head.count)
    if column is not None or delimiter in head:
        return _cells(texts, delimiter, kind, column, blank)
    if head.startswith('"'):
        raise Unreadable(QUOTED)
    return ((number, text.strip()) for number, text in numbered if text.strip())


def _first_line(lines: Iterator[bytes]) -> tuple[int, bytes]:
    """Return how many blank lines there are, and the line after them; empty at the end."""
    for number, line in enumerate(lines):
        if line.strip():
            return number, line
    return 0, b""


def _members(
    numbered: Iterator[tuple[int, str]], head: str, kind: str, column: str | None
) -> Iterator[Entry]:
    """Yield a member of each JSON object, one a line: a receipt's, or ``column``."""
    try:
        first = json.loads(head)
    except ValueError:
        first = None
    if not isinstance(first, dict):
        raise Unreadable(JSON)
    name = column or _of_receipt(list(first))
    if name is None:
        raise Unreadable(JSON)
    return _named(numbered, name, kind)


def _named(numbered: Iterator[tuple[int, str]], name: str, kind: str) -> Iterator[Entry]:
    for number, text in numbered:
        if not text.strip():
            continue
        try:
            row = json.loads(text)
        except ValueError:
            raise Unreadable(f"line {number} is no JSON object, as the first is") from None
        if not isinstance(row, dict) or name not in row:
            raise Unreadable(f"line {number} has no {name!r}")
        if row.get(TYPE, kind) == kind and row[name] is not None:
            yield number, str(row[name])


def _cells(
    texts: Iterator[str], delimiter: str, kind: str, column: str | None, blank: int
) -> Iterator[Entry]:
    """Yield a column of CSV: by the name in its first line, or by its number if it has no names."""
    rows = csv.reader(texts, delimiter=delimiter)
    head = [name.strip() for name in next(rows)]
    receipt = _of_receipt(head)
    if column is None and receipt is None:
        raise Unreadable(CSV.format(column=1 if _is_id(head[0]) else head[0]))
    if column is not None and column not in head:
        if not column.isdecimal() or not 1 <= int(column) <= len(head):
            raise Unreadable(NO_COLUMN.format(column=column, columns=", ".join(map(repr, head))))
        return _column(chain([head], rows), int(column) - 1, None, kind, blank)
    place = head.index(column or receipt or "")
    types = head.index(TYPE) if receipt and TYPE in head else None
    return _column(rows, place, types, kind, blank + 1)


def _is_id(text: str) -> bool:
    return not text or (len(text) == len(str(NIL)) and text.count("-") == str(NIL).count("-"))


def _column(
    rows: Iterator[list[str]], place: int, types: int | None, kind: str, before: int
) -> Iterator[Entry]:
    for number, row in enumerate(rows, before + 1):
        if not row or (types is not None and row[types] != kind):
            continue
        if len(row) <= place:
            raise Unreadable(f"line {number} has no column {place + 1}")
        # a receipt has an apostrophe before what a spreadsheet would take for a formula
        yield number, row[place].strip().removeprefix("'")


def _of_receipt(names: Sequence[str]) -> str | None:
    """Return the column of ids of one of our receipts; None if it is none."""
    if OUTCOME not in names:
        return None
    return next((name for name in (RESOURCE, WORKSPACE) if name in names), None)
