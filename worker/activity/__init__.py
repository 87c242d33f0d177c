"""What workers have done lately: items a minute, and where each of them is."""
