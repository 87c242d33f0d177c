"""How fast tagsweep is, next to the database's own limit and to what one would write oneself.

`make bench` runs all of it and writes docs/benchmarks.md; `make bench ARGS=one-tag` one part.
"""
