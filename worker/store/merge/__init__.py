"""Merge tags: links to some become links to another, and back again."""
