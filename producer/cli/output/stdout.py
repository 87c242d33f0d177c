"""Standard output that may be full, closed, or a pipe that nobody reads: told in one line."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import Any


class OutputLost(Exception):
    """What was to be printed cannot be written."""

    def __init__(self, error: OSError) -> None:
        self.is_pipe = error.errno == errno.EPIPE
        super().__init__(error.strerror or str(error))


class _Buffer(io.BufferedWriter):
    """The buffer of standard output.

    Errors are caught here, not in a file of ours beneath: Ctrl-C could come between what that has
    written and its return, and the buffer would write the same again.
    """

    is_optional = False  #: whether what cannot be written is dropped

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            self._lose(error)
            return len(data)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            self._lose(error)

    def _lose(self, error: OSError) -> None:
        if not self.is_optional:
            raise OutputLost(error) from error


class _Stdout:
    """This process's standard output, once it is guarded."""

    buffer: _Buffer | None = None


def guard() -> None:
    """From here on, raise OutputLost if anything that is printed on stdout cannot be written.

    A standard stream that is closed is opened, so that no file of ours takes its place: stdin at
    its end, stdout so that nothing can be written to it, stderr so that all of it is dropped.
    """
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115, PTH123  # as long as we live
    given = sys.stdout
    if given is None:
        raw = io.FileIO(os.open(os.devnull, os.O_RDONLY), "w")
    else:
        raw = io.FileIO(given.fileno(), "w", closefd=False)
    _Stdout.buffer = _Buffer(raw)
    encoding, mistakes = (given.encoding, given.errors) if given else ("utf-8", "replace")
    stream = io.TextIOWrapper(_Stdout.buffer, encoding, mistakes, line_buffering=raw.isatty())
    for name in ("stdout", "__stdout__"):  # Celery prints on the latter
        setattr(sys, name, stream)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123  # same


def drop_what_cannot_be_written() -> None:
    """Do without stdout: of a server, which is to run whatever becomes of its output."""
    if _Stdout.buffer is not None:
        _Stdout.buffer.is_optional = True
