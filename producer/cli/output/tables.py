"""Tables for people: aligned, whatever the width of characters; as blocks where they do not fit."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

from rich.cells import cell_len

#: blanks between two columns
GAP = "  "
#: rows by which the columns of a long table are aligned
LOOKED_AT = 1_000

Row = Sequence[str]


def lines(head: Row, rows: Iterable[Row]) -> Iterator[str]:
    """Yield the lines of a table, however long; numbers stand to the right.

    No cell is cut or folded: an id could not be copied then. On a terminal that is too narrow each
    row becomes a block, with a line for each cell.
    """
    rows = iter(rows)
    first = list(islice(rows, LOOKED_AT))
    widths = [max(map(cell_len, column)) for column in zip(head, *first, strict=True)]
    if sum(widths) + len(GAP) * (len(widths) - 1) > _columns():
        return _blocks(head, chain(first, rows))
    right = [bool(first) and all(map(_is_number, column)) for column in zip(*first, strict=True)]
    right = right or [False] * len(widths)
    return (_line(row, widths, right) for row in chain([head], first, rows))


def _columns() -> int:
    """Return how many columns fit: any number, if this is no terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize


def _is_number(cell: str) -> bool:
    return cell.rpartition(" ")[2].replace(",", "").isdigit()


def _line(row: Row, widths: list[int], right: list[bool]) -> str:
    cells = []
    for cell, width, to_right in zip(row, widths, right, strict=True):
        blanks = " " * (width - cell_len(cell))
        cells.append(blanks + cell if to_right else cell + blanks)
    return GAP.join(cells).rstrip()


def _blocks(head: Row, rows: Iterable[Row]) -> Iterator[str]:
    width = max(map(cell_len, head))
    for number, row in enumerate(rows):
        if number:
            yield ""
        for name, cell in zip(head, row, strict=True):
            yield f"{name}{' ' * (width - cell_len(name))}{GAP}{cell}"
