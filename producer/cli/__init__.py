"""The command line: ``tagsweep``. Each command is a module of its name in ``commands``."""

import sys

from tagsweep.worker import extras

try:
    with extras.required():
        from tagsweep.producer.cli.main import main
except extras.MissingExtra as error:
    sys.stderr.write(f"tagsweep: {error}\n")
    sys.exit(2)

__all__ = ["main"]
