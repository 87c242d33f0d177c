"""The environment as users write it."""
