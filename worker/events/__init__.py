"""Completion events: written with the end of a job, published after the commit."""
