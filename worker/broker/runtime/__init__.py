"""What runs inside a worker: consumer, pool processes, start and end, log."""
