"""The commands that submit a job: one module for each kind, under the name that is typed."""
