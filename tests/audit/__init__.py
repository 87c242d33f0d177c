"""Who did what: written with what was done, read as one list."""
