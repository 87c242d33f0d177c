"""What is wrong with store, broker and jobs, and what to do about it."""
