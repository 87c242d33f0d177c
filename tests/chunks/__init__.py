"""Tests of what is done with chunks, and with small jobs that have but one of each list."""
