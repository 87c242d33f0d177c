"""What pages read in the store."""
