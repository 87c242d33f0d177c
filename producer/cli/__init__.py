"""The command line: ``tagsweep``. Each command is a module of its own name."""

from tagsweep.producer.cli.main import main

__all__ = ["main"]
