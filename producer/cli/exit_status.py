"""The exit statuses of ``tagsweep`` (0: succeeded)."""

FAILED, WRONG_USE, UNFINISHED, INTERRUPTED = 1, 2, 3, 130
