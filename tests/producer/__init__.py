"""The doors for Python programs."""
