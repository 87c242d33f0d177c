"""Tests of jobs on tag tables of the operator's own."""
