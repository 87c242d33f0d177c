"""A job as rows: recorded once, listed, cancelled, kept for a while."""
