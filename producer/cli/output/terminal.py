"""Output: results, and nothing else, to stdout; messages and progress bars to stderr."""

from __future__ import annotations

import json
import select
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

console = Console(stderr=True)


@dataclass(slots=True)
class Outcome:
    """What this command has come to, whether or not its report can be written."""

    status: int | None = None  #: the exit status; None: there is nothing to do but to report
    told: str = ""  #: the same in a sentence


outcome = Outcome()


def settle(status: int, told: str) -> None:
    """Keep what this command has come to: the rest is to print it."""
    outcome.status, outcome.told = status, told


def say(message: str) -> None:
    """Print ``message`` on stderr, above a progress bar if there is one."""
    with suppress(OSError):  # a full stderr is nothing to stop for
        console.print(message, markup=False, highlight=False, emoji=False, soft_wrap=True)


def write_line(line: str) -> None:
    """Print a line of the result on stdout."""
    typer.echo(line)


def write_lines(lines: Iterable[str]) -> None:
    """Print lines of the result on stdout."""
    for line in lines:
        write_line(line)


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return ``number`` with its ``noun``, in the plural unless it is 1."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


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
