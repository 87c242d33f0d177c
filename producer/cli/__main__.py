"""``python -m tagsweep.producer.cli`` is ``tagsweep``."""

from tagsweep.producer.cli import main

main()
