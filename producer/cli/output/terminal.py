"""Where words go: results to stdout, and nothing else there; messages and bars to stderr."""

from __future__ import annotations

import json
import select
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

console = Console(stderr=True)

#: characters in a line of a table
WIDE = 200


def say(message: str) -> None:
    """Tell ``message`` on stderr, above a bar that may be there."""
    console.print(message, markup=False, highlight=False, emoji=False, soft_wrap=True)


def tell(line: str) -> None:
    """Print a line of the result on stdout."""
    typer.echo(line)


def document(value: object) -> None:
    """Print ``value`` as the one JSON document on stdout."""
    write(json.dumps(value, ensure_ascii=False, indent=2))


def write(text: str) -> None:
    """Print a JSON text on stdout at once: always UTF-8, whatever the terminal's own encoding."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode() + b"\n")
    sys.stdout.buffer.flush()


def pass_on(text: str) -> None:
    """Print a piece of a result on stdout to the letter, as UTF-8."""
    sys.stdout.buffer.write(text.encode())


def is_abandoned() -> bool:
    """Tell whether whoever read our stdout has gone, which a write alone would find out."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return bool(poll.poll(0))


def table(head: list[str], rows: list[list[str]]) -> None:
    """Print ``rows`` on stdout, aligned; columns of numbers to the right.

    A narrow terminal breaks the lines itself: an id that is folded cannot be copied.
    """
    shape = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for at, name in enumerate(head):
        numeric = all(row[at].replace(",", "").isdigit() for row in rows)
        shape.add_column(name, justify="right" if numeric else "left", no_wrap=True)
    for row in rows:
        shape.add_row(*(Text(cell) for cell in row))
    Console(width=WIDE).print(shape, soft_wrap=True)


class _Done(ProgressColumn):
    def render(self, task: Task) -> Text:
        if task.total is None:
            return Text("")
        speed = f"{task.speed:,.0f}/s" if task.speed else ""
        return Text(f"{task.completed:,.0f} of {task.total:,.0f}  {speed}")


@contextmanager
def bar(label: str) -> Iterator[Callable[[int, int | None, str], None]]:
    """Show a bar on stderr while the block runs, if that is a terminal.

    Yields a function of how much is done, of how much (None: not known yet), and of the label.
    """
    columns: list[Any] = [TextColumn("{task.description}"), BarColumn(), _Done()]
    columns.append(TimeRemainingColumn(compact=True))
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(label, total=None)

        def show(done: int, total: int | None, now: str) -> None:
            progress.update(task, description=now, completed=done, total=total)

        yield show
