"""What of a job matches nothing, in words, with the nearest name that there is."""
