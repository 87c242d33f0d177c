"""The tests: sentences about behaviour, on real servers."""
