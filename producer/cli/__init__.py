"""The command line: ``tagsweep``. Each command is a module of its name in ``commands``."""

from tagsweep.producer.cli.main import main

__all__ = ["main"]
