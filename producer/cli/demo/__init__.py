"""What ``tagsweep demo`` shows: its data set, and the shell session that the reader sees."""
