"""Secrets at rest: encrypted with a key that only the environment holds."""
