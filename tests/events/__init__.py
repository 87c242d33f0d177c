"""Completion events: the outbox, the relay, and those who read the feed."""
