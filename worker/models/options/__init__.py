"""The options of jobs that have rules of their own."""
