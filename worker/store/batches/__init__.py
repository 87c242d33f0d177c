"""Statements about the tags of many small jobs at once: one for all of them, not one for each.

Each job's outcome is what the statements of its kind alone would have come to, the jobs taken in
the order in which they are given: what two of them ask for, the first one gets.
"""
