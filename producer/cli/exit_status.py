"""The exit statuses of ``tagsweep`` (0: done as asked, and a job succeeded).

Each has one meaning: FAILED, the job ended otherwise, or what was asked could not be done;
WRONG_USE, nothing was tried; UNFINISHED, recorded and not ended yet.
"""

FAILED, WRONG_USE, UNFINISHED, INTERRUPTED, PIPE_CLOSED = 1, 2, 3, 130, 141
