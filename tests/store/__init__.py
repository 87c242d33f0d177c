"""What each kind of job does to tags."""
