"""``python -m tagsweep.producer.cli`` is ``tagsweep``."""

from tagsweep.producer.cli.main import main

main()
