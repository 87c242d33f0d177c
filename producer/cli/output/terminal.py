"""Output: results, and nothing else, to stdout; messages and progress bars to stderr."""

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
TABLE_WIDTH = 200


def say(message: str) -> None:
    """Print ``message`` on stderr, above a progress bar if there is one."""
    console.print(message, markup=False, highlight=False, emoji=False, soft_wrap=True)


def write_line(line: str) -> None:
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
    """Print a piece of a result on stdout exactly as it is, as UTF-8."""
    sys.stdout.buffer.write(text.encode())


def is_abandoned() -> bool:
    """Return whether the reader of our stdout has gone, which otherwise only a write shows."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return bool(poll.poll(0))


def table(head: list[str], rows: list[list[str]]) -> None:
    """Print ``rows`` on stdout, aligned; columns of numbers to the right.

    Long lines are left to the terminal to break: an id that we had folded could not be copied.
    """
    shape = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for at, name in enumerate(head):
        numeric = all(row[at].replace(",", "").isdigit() for row in rows)
        shape.add_column(name, justify="right" if numeric else "left", no_wrap=True)
    for row in rows:
        shape.add_row(*(Text(cell) for cell in row))
    Console(width=TABLE_WIDTH).print(shape, soft_wrap=True)


class _Done(ProgressColumn):
    def render(self, task: Task) -> Text:
        if task.total is None:
            return Text("")
        speed = f"{task.speed:,.0f}/s" if task.speed else ""
        return Text(f"{task.completed:,.0f} of {task.total:,.0f}  {speed}")


@contextmanager
def bar(label: str) -> Iterator[Callable[[int, int | None, str], None]]:
    """Show a progress bar on stderr during the block, if that is a terminal.

    Yields a function that updates it: how much is done, of how much (None: unknown), the label.
    """
    columns: list[Any] = [TextColumn("{task.description}"), BarColumn(), _Done()]
    columns.append(TimeRemainingColumn(compact=True))
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(label, total=None)

        def show(done: int, total: int | None, now: str) -> None:
            progress.update(task, description=now, completed=done, total=total)

        yield show
