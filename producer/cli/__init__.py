"""The command line: ``tagsweep``. Each command is a module of its own name."""

from producer.cli.menu import main

__all__ = ["main"]
