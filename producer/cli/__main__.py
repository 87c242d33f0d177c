"""``python -m producer.cli`` is ``tagsweep``."""

from producer.cli.menu import main

main()
