"""What workers have done lately, and which of them there are."""
