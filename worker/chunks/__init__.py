"""One chunk, one transaction: how jobs are split, and how each chunk is applied."""
